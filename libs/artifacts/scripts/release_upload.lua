-- Let go of an upload whose object is gone. Its record stays for a while, and says what became of it.
-- Needs: clock.lua stored.lua
--
-- ARGV  1 upload id   2 user   3 how long the record stays, ms
-- Returns  1, or 0 when somebody has done it before

local record = KEY.upload .. ARGV[1]
if redis.call('ZREM', KEY.uploads, ARGV[1]) == 0 then return 0 end
local held = redis.call('HGET', record, 'held')
if held then
  redis.call('HDEL', record, 'held')
  count_upload(ARGV[2], -tonumber(held))
end
redis.call('PEXPIRE', record, ARGV[3])
return 1
