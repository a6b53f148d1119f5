-- Store a new endpoint of a user.
-- Needs: clock.lua wants.lua
--
-- ARGV  1 user   2 endpoint   3 how many a user may have   4… members: name, value, …
-- Returns  "created" | "conflict" | "not_found" (the user is being erased)

if redis.call('ZCARD', KEY.user_webhooks .. ARGV[1]) >= tonumber(ARGV[3]) then return 'conflict' end
if redis.call('HGET', KEY.user .. ARGV[1], 'status') == 'erasing' then return 'not_found' end

redis.call('HSET', KEY.webhook .. ARGV[2], 'user', ARGV[1], 'created', digits(now), unpack(ARGV, 4))
redis.call('ZADD', KEY.user_webhooks .. ARGV[1], 0, ARGV[2])
note_wants(ARGV[1])
return 'created'
