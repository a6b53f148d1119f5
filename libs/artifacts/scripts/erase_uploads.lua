-- Forget uploads of a user, and blank the records of those whose URL can still be written to.
--
-- ARGV  1 user   2… ids of uploads that have arrived

local user = ARGV[1]

for _, id in ipairs(redis.call('ZRANGE', KEY.user_uploads .. user, 0, -1)) do
  if redis.call('EXISTS', KEY.upload .. id) == 1 then
    redis.call('HSET', KEY.upload .. id, 'filename', '-', 'status', 'expired')
    redis.call('HDEL', KEY.upload .. id, 'held')
  end
end
redis.call('DEL', KEY.user_uploads .. user)
for i = 2, #ARGV do
  local known = redis.call('HMGET', KEY.upload .. ARGV[i], 'user', 'status')
  if known[1] == user and known[2] ~= 'expired' then
    redis.call('DEL', KEY.upload .. ARGV[i])
    redis.call('ZREM', KEY.uploads, ARGV[i])
  end
end
return 0
