-- End an attempt to deliver. An attempt that lost its lease is refused: somebody else has the delivery.
-- Needs: clock.lua receivers.lua wants.lua
--
-- ARGV  1 delivery   2 fence   3 outcome   4 ms until the next try, -1 when that was the last
--         of a released one: ms until it is due again
--       5 ms it took   6 status of the answer or -   7 code of the error or -   8 how long a schedule takes, ms
--   outcome  delivered
--            failed      tried again later, if any try is left
--            gone        the receiver wants nothing more
--            unmade      nothing could be sent, and the receiver is not to blame; tried again like a failed one
--            void        there is nothing to tell any more; the receiver is not to blame
--            released    handed back, no try is used up
-- Returns  "delivered" | "retried" | "failed" | "released" | "disabled" (failed, and so is its endpoint) | "fenced"

local LOG_MAX = 1000
local ATTEMPTS_MAX = 20
local TRIMMED_MAX = 10
local id, fence, outcome, wait = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local record = KEY.delivery .. id

local known = redis.call('HMGET', record, 'fence', 'user', 'endpoint', 'receiver', 'attempts')
if known[1] ~= fence then return 'fenced' end
local user, endpoint, receiver, attempts = known[2], known[3], known[4], tonumber(known[5])
local to_blame = outcome == 'failed' or outcome == 'gone'
local again = outcome == 'failed' or outcome == 'unmade'
local is_endpoint = endpoint == receiver

local function note_attempt()
  local took = tonumber(ARGV[5])
  redis.call('HSET', record, 'attempt:' .. attempts, table.concat({digits(now - took), ARGV[5], ARGV[6], ARGV[7]}, ' '))
  redis.call('HDEL', record, 'attempt:' .. attempts - ATTEMPTS_MAX)
end

-- What its receiver has shown of itself.
local function note_health()
  local exists = redis.call('EXISTS', KEY.webhook .. endpoint) == 1
  local health = health_of(receiver)
  if outcome == 'delivered' then
    local arrived = math.max(math.min(0, health) - 1, AT_ONCE - AT_ONCE_PROVEN)
    if arrived ~= health then redis.call('SET', KEY.receiver .. receiver, arrived, 'EX', ARRIVALS_KEPT_S) end
    if exists then redis.call('HSET', KEY.webhook .. endpoint, 'delivered', digits(now)) end
    redis.call('HDEL', KEY.webhook .. endpoint, 'failing')
  elseif to_blame then
    redis.call('SET', KEY.receiver .. receiver, math.max(0, health) + 1, 'EX', FAILURES_KEPT_S)
    redis.call('HSETNX', record, 'failed', digits(now))
    if not exists then return end
    redis.call('HSET', KEY.webhook .. endpoint, 'failed', digits(now))
    if is_endpoint then redis.call('HSETNX', KEY.webhook .. endpoint, 'failing', digits(now)) end
  end
end

-- Why the endpoint is to be left alone from now on, or nil: it said so, or nothing arrived for as long as a schedule
-- takes, be it this delivery's own.
local function reason_to_disable()
  if not is_endpoint or not to_blame or redis.call('EXISTS', KEY.webhook .. endpoint) == 0 then return nil end
  if redis.call('HEXISTS', KEY.webhook .. endpoint, 'disabled') == 1 then return nil end
  if outcome == 'gone' then return 'gone' end
  local since = tonumber(redis.call('HGET', KEY.webhook .. endpoint, 'failing'))
  local all_along = wait < 0 and since <= tonumber(redis.call('HGET', record, 'failed'))
  return (all_along or now - since > tonumber(ARGV[8])) and 'failing' or nil
end

local function disable(reason)
  redis.call('HSET', KEY.webhook .. endpoint, 'disabled', reason, 'disabled_at', digits(now))
  note_wants(user)
end

-- The log of an endpoint holds what is pending and so many that ended, for so long.
local function trim_log()
  local ended = KEY.delivered .. endpoint
  local old = redis.call('ZRANGEBYSCORE', ended, '-inf', digits(now - DELIVERY_KEPT_S * 1000), 'LIMIT', 0, TRIMMED_MAX)
  local over = math.min(redis.call('ZCARD', ended) - #old - LOG_MAX, TRIMMED_MAX)
  for _, each in ipairs(over > 0 and redis.call('ZRANGE', ended, #old, #old + over - 1) or {}) do old[#old + 1] = each end
  for _, each in ipairs(old) do
    redis.call('DEL', KEY.delivery .. each)
    redis.call('ZREM', KEY.deliveries .. endpoint, each)
    redis.call('ZREM', ended, each)
  end
end

local function come_back(after)
  redis.call('HSET', record, 'due', digits(now + after))
  redis.call('ZADD', KEY.receiver_queue .. receiver, digits(now + after), id)
  redis.call('EXPIRE', KEY.receiver_queue .. receiver, DELIVERY_KEPT_S)
end

local function conclude(status)
  redis.call('HSET', record, 'status', status)
  redis.call('HDEL', record, 'due')
  redis.call('EXPIRE', record, DELIVERY_KEPT_S)
  redis.call('ZADD', KEY.delivered .. endpoint, digits(now), id)
  redis.call('EXPIRE', KEY.delivered .. endpoint, DELIVERY_KEPT_S)
  redis.call('EXPIRE', KEY.deliveries .. endpoint, DELIVERY_KEPT_S)
  trim_log()
end

redis.call('HDEL', record, 'fence')
dequeue(receiver, user, id)
if outcome == 'released' then
  redis.call('HINCRBY', record, 'tries', -1)
  come_back(math.max(0, wait))
  index(receiver)
  return 'released'
end
note_attempt()
note_health()
local ended = outcome == 'delivered' and 'delivered' or (not again or wait < 0) and 'failed'
local reason = reason_to_disable()
if ended then conclude(ended) else come_back(wait) end
if reason then disable(reason) end
index(receiver)
return reason and 'disabled' or ended or 'retried'
