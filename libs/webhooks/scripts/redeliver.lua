-- Deliver once more, now, with a schedule of its own; what is under way or due already stays as it is.
-- Needs: clock.lua receivers.lua
--
-- ARGV  1 user   2 endpoint   3 delivery
-- Returns  "pending" | "not_found" | "disabled" | "full"

local id = ARGV[3]
local record = KEY.delivery .. id
local known = redis.call('HMGET', record, 'user', 'endpoint', 'receiver', 'fence', 'status')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then return 'not_found' end
local receiver = known[3]
if redis.call('HEXISTS', KEY.webhook .. receiver, 'disabled') == 1 then return 'disabled' end
local lease = redis.call('ZSCORE', KEY.receiver_flight .. receiver, id)
if known[4] and lease and tonumber(lease) > now then return 'pending' end
local queued = redis.call('ZCARD', KEY.receiver_queue .. receiver)
if known[5] ~= 'pending' and queued >= PENDING_MAX then return 'full' end

redis.call('HSET', record, 'status', 'pending', 'tries', 0, 'due', digits(now))
redis.call('HDEL', record, 'failed')
redis.call('EXPIRE', record, DELIVERY_KEPT_S)
redis.call('EXPIRE', KEY.deliveries .. ARGV[2], DELIVERY_KEPT_S)
redis.call('ZREM', KEY.delivered .. ARGV[2], id)
enqueue(receiver, id, now)
return 'pending'
