-- Take batches that are due to be looked after. Nobody else takes them before the time is over, which the taker prolongs
-- while it is at it (prolong_batch.lua); of a taker that died they come due by themselves.
-- When the clock has stepped back since batches were last looked for, what is under way comes as much earlier.
-- Needs: clock.lua
--
-- ARGV  1 how many at most   2 for how long, ms
-- Returns  {now, "<user> <batch id>", …}

local SET_BACK_MAX = 10000
local step = stepped_back(redis.call('HGET', KEY.clock, 'batches'))
local function is_open(member)
  return redis.call('HGET', KEY.batch .. string.match(member, '%S+$'), 'status') == 'running'
end

redis.call('HSET', KEY.clock, 'batches', digits(now))
if step > 0 then set_back(KEY.batches_due, step, SET_BACK_MAX, is_open) end
local due = redis.call('ZRANGEBYSCORE', KEY.batches_due, '-inf', now, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do redis.call('ZADD', KEY.batches_due, digits(now + tonumber(ARGV[2])), member) end
return {digits(now), unpack(due)}
