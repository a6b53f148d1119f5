-- Make a delivery: its record, its place in the endpoint's log and in its receiver's queue.
--
-- Its id is made of the event and the endpoint (layout: libs/ids.py; hexadecimal digits are digits of base 32 too).
-- Needs: clock.lua receivers.lua

local DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'

local function message_id(at, seed)
  local text = ''
  for _ = 1, 10 do
    local digit = at % 32
    text = string.sub(DIGITS, digit + 1, digit + 1) .. text
    at = (at - digit) / 32
  end
  return 'msg_' .. text .. string.sub(redis.sha1hex(seed), 1, 16)
end

-- `event` has event, user, about, sequence, at, and the seed of its id. Returns the id, or nil when the queue is full.
local function deliver(endpoint, receiver, event)
  if redis.call('ZCARD', KEY.receiver_queue .. receiver) >= PENDING_MAX then
    redis.call('HINCRBY', KEY.webhook .. endpoint, 'dropped', 1)
    return nil
  end
  local id = message_id(tonumber(event.at), event.seed .. ' ' .. receiver)
  redis.call('HSET', KEY.delivery .. id, 'user', event.user, 'endpoint', endpoint, 'receiver', receiver,
    'event', event.event, 'about', event.about, 'sequence', event.sequence, 'at', event.at,
    'status', 'pending', 'due', digits(now))
  redis.call('EXPIRE', KEY.delivery .. id, DELIVERY_KEPT_S)
  redis.call('ZADD', KEY.deliveries .. endpoint, 0, id)
  redis.call('EXPIRE', KEY.deliveries .. endpoint, DELIVERY_KEPT_S)
  enqueue(receiver, id, now)
  return id
end
