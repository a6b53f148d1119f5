-- Receivers: what shares a fate, an endpoint or a host that jobs and batches of one user name, and the queue of
-- what it is to be told.
--
-- A delivery that is under way stays in its receiver's queue, at the end of its lease: when whoever has it dies, it comes
-- due again by itself. Those that deliver find receivers in two indexes, by when the next delivery may be taken: the well
-- and the ailing, which fail again and again. A receiver that was just served goes behind the others.
-- A receiver's health is its failures in a row, or below 0 its arrivals in a row, as far as they count.
-- Needs: clock.lua

local AT_ONCE, AT_ONCE_PROVEN, AT_ONCE_AILING, AT_ONCE_OF_USER = 4, 12, 1, 16
local AILING_FROM = 3
local PENDING_MAX = 100000
local DELIVERY_KEPT_S = 30 * 86400
local FAILURES_KEPT_S, ARRIVALS_KEPT_S = 7 * 86400, 3600

local function health_of(receiver)
  return tonumber(redis.call('GET', KEY.receiver .. receiver)) or 0
end

local function is_ailing(receiver)
  return health_of(receiver) >= AILING_FROM
end

-- How many are under way; of a receiver, or of a user. What lost its lease is not.
local function under_way(whose)
  redis.call('ZREMRANGEBYSCORE', KEY.receiver_flight .. whose, '-inf', digits(now))
  return redis.call('ZCARD', KEY.receiver_flight .. whose)
end

-- One more at once with each arrival in a row: whoever is well but slow is not held back for ever.
local function room_of(receiver)
  local health = health_of(receiver)
  local at_once = health >= AILING_FROM and AT_ONCE_AILING or math.min(AT_ONCE_PROVEN, AT_ONCE - math.min(0, health))
  return at_once - under_way(receiver)
end

local function first_score(key)
  return tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
end

-- Put a receiver where those who deliver look for it, or nowhere: its queue is empty, or it is disabled.
local function index(receiver, not_before)
  local first = first_score(KEY.receiver_queue .. receiver)
  if not first or redis.call('HEXISTS', KEY.webhook .. receiver, 'disabled') == 1 then
    redis.call('ZREM', KEY.receivers, receiver)
    redis.call('ZREM', KEY.receivers_ailing, receiver)
    return
  end
  local due, mine, other = math.max(first, not_before or now), KEY.receivers, KEY.receivers_ailing
  if is_ailing(receiver) then mine, other = other, mine end
  if room_of(receiver) <= 0 then due = math.max(due, first_score(KEY.receiver_flight .. receiver)) end
  redis.call('ZADD', mine, digits(due), receiver)
  redis.call('ZREM', other, receiver)
end

-- Queue a delivery; nothing moves when its receiver is looked for already.
local function enqueue(receiver, id, due)
  redis.call('ZADD', KEY.receiver_queue .. receiver, digits(due), id)
  redis.call('EXPIRE', KEY.receiver_queue .. receiver, DELIVERY_KEPT_S)
  local listed = redis.call('ZSCORE', KEY.receivers, receiver) or redis.call('ZSCORE', KEY.receivers_ailing, receiver)
  if not listed or tonumber(listed) > due then index(receiver) end
end

-- Whichever receiver of the user has waited longest for room among their deliveries is looked at next.
local function unpark(user)
  local longest = redis.call('ZPOPMIN', KEY.receivers_parked .. user)
  if longest[1] then index(longest[1], tonumber(longest[2])) end
end

-- Take a delivery out of its queue, and off the lists of what is under way.
local function dequeue(receiver, user, id)
  redis.call('ZREM', KEY.receiver_queue .. receiver, id)
  redis.call('ZREM', KEY.receiver_flight .. receiver, id)
  if redis.call('ZREM', KEY.receiver_flight .. user, id) == 1 then unpark(user) end
end
