-- Hand out no job of a kind for a while: its backend has said when it is of use again. The longest word counts.
--
-- ARGV  1 kind   2 ms

local gate = KEY.gate .. ARGV[1]
local known = redis.call('HMGET', gate, 'places', 'shut_until')
if not known[1] then return end
redis.call('HSET', gate, 'shut_until', digits(math.max(now + tonumber(ARGV[2]), tonumber(known[2]) or 0)))
