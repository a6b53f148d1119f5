-- Forget a user whose jobs and files are gone: api keys, address, record.
--
-- ARGV  1 user   2 digest of the address

if redis.call('HGET', KEY.user .. ARGV[1], 'status') ~= 'erasing' then return 0 end

for _, id in ipairs(redis.call('ZRANGE', KEY.user_api_keys .. ARGV[1], 0, -1)) do
  local digest = redis.call('GET', KEY.api_key_id .. id)
  if digest then redis.call('DEL', KEY.api_key .. digest, KEY.api_key_id .. id) end
  redis.call('ZREM', KEY.api_keys, id)
end
redis.call('DEL', KEY.user_api_keys .. ARGV[1], KEY.user .. ARGV[1], KEY.email .. ARGV[2])
redis.call('ZREM', KEY.users, ARGV[1])
redis.call('ZREM', KEY.erasing, ARGV[1])
return 1
