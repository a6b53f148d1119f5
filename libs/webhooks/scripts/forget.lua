-- Forget a page of an endpoint's deliveries, pending ones too.
-- Needs: clock.lua receivers.lua
--
-- ARGV  1 endpoint   2 how many at most
-- Returns  how many are left

local log = KEY.deliveries .. ARGV[1]
local ids = redis.call('ZRANGE', log, 0, tonumber(ARGV[2]) - 1)
local receivers = {}

for _, id in ipairs(ids) do
  local known = redis.call('HMGET', KEY.delivery .. id, 'receiver', 'user')
  if known[1] then
    dequeue(known[1], known[2], id)
    receivers[known[1]] = true
  end
  redis.call('DEL', KEY.delivery .. id)
  redis.call('ZREM', log, id)
  redis.call('ZREM', KEY.delivered .. ARGV[1], id)
end
for receiver in pairs(receivers) do
  index(receiver)
  if not first_score(KEY.receiver_queue .. receiver) then redis.call('DEL', KEY.receiver .. receiver) end
end
return redis.call('ZCARD', log)
