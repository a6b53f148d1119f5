-- Settle a pending upload: completed or refused, once. What was settled before, or has expired, stays as it is.
-- Needs: clock.lua stored.lua
--
-- ARGV  1 upload id   2 user   3 "completed" or "refused"   4 how long a completed upload is kept, ms
--       5… what was found: field, value, …
-- Returns  the status it has now, or "not_found"

local record = KEY.upload .. ARGV[1]
local found = redis.call('HMGET', record, 'user', 'status', 'held', 'url_until')
if found[1] ~= ARGV[2] then return 'not_found' end
if found[2] ~= 'pending' then return found[2] end

redis.call('HSET', record, 'status', ARGV[3], unpack(ARGV, 5))
redis.call('HDEL', record, 'completing', 'completing_until')
redis.call('ZREM', KEY.user_uploads .. ARGV[2], ARGV[1])
if ARGV[3] == 'refused' and found[3] then
  redis.call('HDEL', record, 'held')
  count_upload(ARGV[2], -tonumber(found[3]))
end
-- A refused upload stays due when its URL has lapsed: until then the URL can write the object again.
if ARGV[3] == 'completed' then
  local expires = now + tonumber(ARGV[4])
  redis.call('HSET', record, 'expires', digits(expires))
  redis.call('PEXPIREAT', record, digits(expires + MARGIN_MS))
  -- Where the URL outlives the upload, the sweep waits for what it may still write.
  local due = found[4] and math.max(expires, tonumber(found[4]) + GRACE_MS) or expires
  redis.call('ZADD', KEY.uploads, digits(due), ARGV[1])
end
return ARGV[3]
