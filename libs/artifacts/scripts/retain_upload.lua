-- Keep a completed upload for at least so long from now: a job is going to read it.
-- Needs: clock.lua
--
-- ARGV  1 upload id   2 user   3 how long, ms
-- Returns  its status, or "not_found"; nothing changes unless it is "completed"

local record = KEY.upload .. ARGV[1]
local found = redis.call('HMGET', record, 'user', 'status', 'expires')
if found[1] ~= ARGV[2] then return 'not_found' end
local expires = now + tonumber(ARGV[3])
if found[2] ~= 'completed' or expires <= tonumber(found[3]) then return found[2] end

redis.call('HSET', record, 'expires', digits(expires))
redis.call('PEXPIREAT', record, digits(expires + MARGIN_MS))
redis.call('ZADD', KEY.uploads, digits(expires), ARGV[1])
return 'completed'
