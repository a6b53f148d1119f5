-- Take deliveries that are due, each under a lease: no more of one receiver, of one user and of the ailing than is fair.
-- When the clock has stepped back since somebody last took, all that is due or under way comes as much earlier.
-- Needs: clock.lua receivers.lua
--
-- ARGV  1 who takes   2 lease, ms   3 how many   4 how many of them from the ailing, who come last
-- Returns  {now (ms), ms until a receiver comes due (-1: none), how many are from the well, delivery, …}
--   delivery  {id, fence, endpoint, user, event, about, sequence, at, tries}

local LOOKED_AT_MAX = 100
local SET_BACK_MAX = 1000 -- of each queue: those that are due first
local lease_end = digits(now + tonumber(ARGV[2]))
local taken = {}

local function take(receiver, id, known)
  local record = KEY.delivery .. id
  local fence = ARGV[1] .. ':' .. redis.call('HINCRBY', record, 'attempts', 1)
  local tries = redis.call('HINCRBY', record, 'tries', 1)
  redis.call('HSET', record, 'fence', fence, 'due', lease_end)
  redis.call('ZADD', KEY.receiver_queue .. receiver, lease_end, id)
  redis.call('ZADD', KEY.receiver_flight .. receiver, lease_end, id)
  redis.call('ZADD', KEY.receiver_flight .. known[1], lease_end, id)
  redis.call('ZREM', KEY.receivers_parked .. known[1], receiver)
  taken[#taken + 1] = {id, fence, known[2], known[1], known[3], known[4], known[5], known[6], tries}
end

-- The user has no room left: the receiver waits until one of their deliveries ends, or loses its lease. So thousands of
-- receivers of one user are not looked at again and again.
local function park(user, receiver)
  redis.call('ZADD', KEY.receivers_parked .. user, 'NX', digits(now), receiver)
  index(receiver, first_score(KEY.receiver_flight .. user))
end

-- Returns how many were taken.
local function take_from(receiver, wanted)
  local room, before, busy = math.min(wanted, room_of(receiver)), #taken, nil
  local due = room > 0 and redis.call('ZRANGEBYSCORE', KEY.receiver_queue .. receiver, '-inf', digits(now),
    'LIMIT', 0, room) or {}
  for _, id in ipairs(due) do
    local known = redis.call('HMGET', KEY.delivery .. id, 'user', 'endpoint', 'event', 'about', 'sequence', 'at')
    if not known[1] then
      redis.call('ZREM', KEY.receiver_queue .. receiver, id)
    elseif under_way(known[1]) >= AT_ONCE_OF_USER then
      busy = known[1]
    else
      take(receiver, id, known)
    end
  end
  if busy then park(busy, receiver) else index(receiver, now) end
  return #taken - before
end

-- Returns whose deliveries are under way.
local function set_receivers_back(index_key, step, users)
  for _, receiver in ipairs(redis.call('ZRANGE', index_key, 0, SET_BACK_MAX - 1)) do
    set_back(KEY.receiver_queue .. receiver, step, SET_BACK_MAX)
    for _, id in ipairs(set_back(KEY.receiver_flight .. receiver, step, SET_BACK_MAX)) do
      users[redis.call('HGET', KEY.delivery .. id, 'user') or ''] = true
    end
  end
  set_back(index_key, step, SET_BACK_MAX)
  return users
end

local function note_step()
  local step = stepped_back(redis.call('HGET', KEY.clock, 'webhooks'))
  redis.call('HSET', KEY.clock, 'webhooks', digits(now))
  if step == 0 then return end
  local users = set_receivers_back(KEY.receivers, step, {})
  for user in pairs(set_receivers_back(KEY.receivers_ailing, step, users)) do
    set_back(KEY.receiver_flight .. user, step, SET_BACK_MAX)
  end
end

local function take_by(index_key, wanted)
  local due = wanted > 0 and redis.call('ZRANGEBYSCORE', index_key, '-inf', digits(now), 'LIMIT', 0, LOOKED_AT_MAX)
  for _, receiver in ipairs(due or {}) do
    if wanted <= 0 then return end
    wanted = wanted - take_from(receiver, wanted)
  end
end

note_step()
local most, ailing_most = tonumber(ARGV[3]), tonumber(ARGV[4])
take_by(KEY.receivers, most)
local well = #taken
take_by(KEY.receivers_ailing, math.min(ailing_most, most - well))
local next_due = math.min(first_score(KEY.receivers) or math.huge,
  ailing_most > 0 and first_score(KEY.receivers_ailing) or math.huge)
return {now, next_due == math.huge and -1 or math.max(0, next_due - now), well, unpack(taken)}
