-- Hand out no job of a kind for a while: its backend has said when it is of use again. The longest word counts.
--
-- Needs: clock.lua
--
-- ARGV  1 kind   2 ms

local gate = KEY.gate .. ARGV[1]
local known = redis.call('HMGET', gate, 'places', 'shut_until', 'shut_for')
if not known[1] then return end
local shut_for, said = tonumber(ARGV[2]), tonumber(known[2]) or 0
if said > now + shut_for and still(said, tonumber(known[3]) or 0) then return end

redis.call('HSET', gate, 'shut_until', digits(now + shut_for), 'shut_for', digits(shut_for))
