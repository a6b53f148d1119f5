-- Forget uploads of a user, and blank the records of those whose URL can still be written to.
-- Needs: clock.lua kept.lua
--
-- ARGV  1 user   2… ids of uploads that have arrived

local user = ARGV[1]

local function blank(id)
  redis.call('HSET', KEY.upload .. id, 'filename', '-', 'status', 'expired')
  redis.call('HDEL', KEY.upload .. id, 'held', 'sha256', 'pages', 'kept')
end

for _, id in ipairs(redis.call('ZRANGE', KEY.user_uploads .. user, 0, -1)) do
  if redis.call('EXISTS', KEY.upload .. id) == 1 then blank(id) end
end
redis.call('DEL', KEY.user_uploads .. user)
for i = 2, #ARGV do
  local id = ARGV[i]
  local known = redis.call('HMGET', KEY.upload .. id, 'user', 'status', 'url_until')
  if known[1] == user and known[2] ~= 'expired' then
    local lapses = tonumber(known[3] or 0) + GRACE_MS
    if now < lapses then
      blank(id)
      redis.call('PEXPIREAT', KEY.upload .. id, digits(lapses + MARGIN_MS))
      redis.call('ZADD', KEY.uploads, digits(lapses), id)
    else
      redis.call('DEL', KEY.upload .. id)
      redis.call('ZREM', KEY.uploads, id)
    end
  end
end
return 0
