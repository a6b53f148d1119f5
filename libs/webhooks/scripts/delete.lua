-- Delete an endpoint. From here on nothing is delivered to it; its deliveries are forgotten in pages (forget.lua).
-- Needs: clock.lua receivers.lua wants.lua
--
-- ARGV  1 user   2 endpoint
-- Returns  "deleted" | "not_found"

if redis.call('HGET', KEY.webhook .. ARGV[2], 'user') ~= ARGV[1] then return 'not_found' end

redis.call('UNLINK', KEY.webhook .. ARGV[2], KEY.receiver_queue .. ARGV[2], KEY.receiver .. ARGV[2])
redis.call('ZREM', KEY.user_webhooks .. ARGV[1], ARGV[2])
note_wants(ARGV[1])
index(ARGV[2])
return 'deleted'
