-- Take batches that are due to be looked after. Nobody else takes them before the time is over, which the taker prolongs
-- while it is at it (prolong_batch.lua); of a taker that died they come due by themselves.
-- Needs: clock.lua
--
-- ARGV  1 how many at most   2 for how long, ms
-- Returns  {now, "<user> <batch id>", …}

local due = redis.call('ZRANGEBYSCORE', KEY.batches_due, '-inf', now, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do redis.call('ZADD', KEY.batches_due, digits(now + tonumber(ARGV[2])), member) end
return {digits(now), unpack(due)}
