-- Forget finished jobs of a user who is being erased.
-- Needs: record_bytes.lua
--
-- ARGV  1 user   2… ids of jobs
-- Returns  how many of them are not finished, and stay

local FINISHED = {succeeded = true, failed = true, canceled = true, expired = true}
local user, unfinished, bytes = ARGV[1], 0, 0

for i = 2, #ARGV do
  local id = ARGV[i]
  local known = redis.call('HMGET', KEY.job .. id, 'user', 'status', 'idempotency', 'result', 'bytes')
  if known[1] == user and not FINISHED[known[2]] then
    unfinished = unfinished + 1
  else
    if known[1] == user then
      redis.call('DEL', KEY.job .. id, KEY.events .. id)
      bytes = bytes + (tonumber(known[5]) or 0)
      if known[3] then redis.call('DEL', KEY.idempotency .. user .. ':' .. known[3]) end
      if known[4] and redis.call('GET', KEY.result .. known[4]) == id then redis.call('DEL', KEY.result .. known[4]) end
    end
    redis.call('ZREM', KEY.dead, id)
    redis.call('HDEL', KEY.dead_owners, id)
    redis.call('ZREM', KEY.jobs .. user, id)
    redis.call('ZREM', KEY.finished .. user, id)
  end
end
count_bytes(user, -bytes)
if redis.call('EXISTS', KEY.finished .. user) == 0 then redis.call('ZREM', KEY.archiving, user) end
return unfinished
