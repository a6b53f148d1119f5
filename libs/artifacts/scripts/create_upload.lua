-- Create an upload that waits for its bytes, unless its user has too many of them.
-- Needs: clock.lua stored.lua
--
-- ARGV  1 upload id   2 user   3 filename   4 content type   5 size, bytes   6 lifetime of its URL, ms
--       7 pending uploads at most   8 bytes that the user may store, -1 = no limit
--       9 ms until the first look at what its URL has written; 0 = its URL is given to nobody
-- Returns  {"created", now (ms), when it lapses (ms)} | {"too_many", ms until the oldest lapses} | {"storage_exceeded"}

local id, user = ARGV[1], ARGV[2]
local span = tonumber(ARGV[6])
local expires = now + span
local pending = KEY.user_uploads .. user

if count_still(pending, span) >= tonumber(ARGV[7]) then
  local oldest = redis.call('ZRANGEBYSCORE', pending, digits(now), digits(now + span), 'WITHSCORES', 'LIMIT', 0, 1)
  return {'too_many', digits(tonumber(oldest[2] or now) - now)}
end
if tonumber(ARGV[8]) >= 0 and stored_bytes(user) + tonumber(ARGV[5]) > tonumber(ARGV[8]) then
  return {'storage_exceeded'}
end

count_upload(user, tonumber(ARGV[5]))
redis.call('HSET', KEY.upload .. id, 'held', ARGV[5], 'user', user, 'filename', ARGV[3], 'content_type', ARGV[4], 'size', ARGV[5],
  'status', 'pending', 'created', digits(now), 'expires', digits(expires), 'url_until', digits(expires))
redis.call('PEXPIREAT', KEY.upload .. id, digits(expires + MARGIN_MS))
redis.call('ZADD', KEY.uploads, digits(expires + GRACE_MS), id)
local look = tonumber(ARGV[9])
if look > 0 then
  redis.call('ZADD', KEY.uploads_watched, digits(now + look), id)
end
drop_over(pending, span)
redis.call('ZADD', pending, digits(expires), id)
redis.call('PEXPIREAT', pending, digits(math.max(expires, now + redis.call('PTTL', pending))))
return {'created', digits(now), digits(expires)}
