-- Take a server out of the fleet: its device reported a fault.
-- Needs: state.lua
--
-- ARGV  2 a word for what was wrong
-- Returns  how often that happened lately

local AFRESH_MS = 3600000
local known = redis.call('HMGET', SERVER, 'sick', 'fault', 'faults')
local fault_at = tonumber(known[2]) or 0
local is_news = fault_at + AFRESH_MS < now or fault_at > now
local faults = (is_news and 0 or tonumber(known[3]) or 0) + 1

redis.call('HSET', SERVER, 'sick', known[1] or now, 'why', ARGV[2], 'fault', now, 'faults', faults)
redis.call('HDEL', SERVER, 'good')
redis.call('EXPIRE', SERVER, KEPT_S)
return faults
