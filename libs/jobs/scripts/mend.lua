-- Take out of a user's sets what has no business there: a job without a record, or one whose status says otherwise. The
-- scripts keep the sets right by themselves; this is for a hand in Redis, or a record that was lost.
-- Needs: clock.lua fair.lua
--
-- ARGV  1 user   2 how many members of each set are looked at   3… queues
-- Returns  how many were taken out

local QUEUED = {scheduled = true, queued = true}
local OPEN = {queued = true, running = true}
local user, most = ARGV[1], tonumber(ARGV[2])

local function strays(set, statuses)
  local found = {}
  for _, id in ipairs(redis.call('SRANDMEMBER', set, most)) do
    local status = redis.call('HGET', KEY.job .. id, 'status')
    if not (status and statuses[status]) then found[#found + 1] = id end
  end
  return found
end

local function take_out(set, statuses)
  local found = strays(set, statuses)
  if #found > 0 then redis.call('SREM', set, unpack(found)) end
  return #found
end

local mended = take_out(KEY.queued .. user, QUEUED)
for i = 3, #ARGV do
  local freed = take_out(KEY.open .. user .. ':' .. ARGV[i], OPEN)
  if freed > 0 then promote(user, ARGV[i]) end
  mended = mended + freed
end
return mended
