-- Discard an upload before its time: it counts no more, and its record waits for what its URL may still write.
-- Needs: clock.lua stored.lua
--
-- ARGV  1 upload id   2 user
-- Returns  "discarded" | "not_found"

local id, user = ARGV[1], ARGV[2]
local record = KEY.upload .. id
local found = redis.call('HMGET', record, 'user', 'status', 'held', 'url_until', 'expires')
if found[1] ~= user then return 'not_found' end
if found[2] == 'expired' or found[2] == 'refused' then return 'discarded' end

local lapses = math.max(now, tonumber(found[4] or found[5])) + GRACE_MS
redis.call('HSET', record, 'status', 'expired', 'expires', digits(now))
redis.call('PEXPIREAT', record, digits(lapses + MARGIN_MS))
redis.call('ZREM', KEY.user_uploads .. user, id)
redis.call('ZADD', KEY.uploads, digits(lapses), id)
if found[3] then
  redis.call('HDEL', record, 'held')
  count_upload(user, -tonumber(found[3]))
end
return 'discarded'
