-- Start a request now, book the time at which it may start, or say why neither.
--
-- Asked once to book, and again by whoever wakes at the booked time: the time may have moved, because the upstream
-- refused someone meanwhile. What starts is written to the log before it is sent, so no death of its sender, and no
-- delay on the way, makes the log hold less than what the upstream may have seen. A refusal costs nothing.
-- Needs: limit.lua
--
-- ARGV  9 bookings in the row at most  10 how long the caller can wait, ms
-- Returns  {"go"} | {"wait", ms} | {"late", ms that it would have to wait} | {"full"}

local BOOKINGS_MAX, PATIENCE = tonumber(ARGV[9]), tonumber(ARGV[10])
-- Timers of the callers are as coarse as this.
local EARLY = 1

-- When the log has a place for one more request; `now` when it has one.
local function request_fits_at()
  local count = redis.call('ZCOUNT', LOG, after(now), '+inf')
  if count < REQUESTS then
    return now
  end
  return tonumber(redis.call('ZRANGEBYSCORE', LOG, after(now), '+inf', 'WITHSCORES', 'LIMIT', count - REQUESTS, 1)[2])
end

-- The same for its tokens.
local function tokens_fit_at()
  if TOKENS == 0 then
    return now
  end
  local logged = redis.call('ZRANGEBYSCORE', LOG, after(now), '+inf', 'WITHSCORES')
  local over = tokens_of(REQUEST) - TOKENS
  for i = 1, #logged, 2 do
    over = over + tokens_of(logged[i])
  end
  local at = now
  for i = 1, #logged, 2 do
    if over <= 0 then
      break
    end
    over, at = over - tokens_of(logged[i]), tonumber(logged[i + 1])
  end
  return at
end

keep_step()
local booked_at = tonumber(redis.call('ZSCORE', ROW, REQUEST))
local is_new = not booked_at
local lapsed = is_new and redis.call('ZRANGEBYSCORE', ROW, '-inf', now - GRACE) or {}

local next_at = state.next_at or 0
for _, request in ipairs(lapsed) do
  next_at = next_at - interval(request)
end
booked_at = booked_at or math.max(now, next_at, state.paused_until or 0)
local at = booked_at
if at <= now + EARLY then
  at = math.max(request_fits_at(), tokens_fit_at())
end

local function refusal()
  if is_new and AT_ONCE > 0 and redis.call('ZCOUNT', UNDER_WAY, after(now), '+inf') >= AT_ONCE then
    return { 'full' }
  end
  local crowded = is_new and redis.call('ZCARD', ROW) - #lapsed >= BOOKINGS_MAX
  if crowded or at - now > PATIENCE then
    return { 'late', math.ceil(at - now) }
  end
end

local refused = refusal()

if refused then
  if not is_new then
    give_back(REQUEST)
  end
  return refused
end
for _, request in ipairs(lapsed) do
  give_back(request)
end
if is_new then
  state.next_at = booked_at + interval(REQUEST)
  redis.call('HSET', STATE, 'next_at', state.next_at, 'seen', digits(now))
end
redis.call('ZREMRANGEBYSCORE', LOG, '-inf', now)
redis.call('ZREMRANGEBYSCORE', UNDER_WAY, '-inf', now)
if AT_ONCE > 0 then
  redis.call('ZADD', UNDER_WAY, at + LEASE, REQUEST)
end
if at > now then
  redis.call('ZADD', ROW, at, REQUEST)
else
  redis.call('ZREM', ROW, REQUEST)
  redis.call('ZADD', LOG, now + ARRIVES + WINDOW, REQUEST)
end
keep()
if at > now then
  return { 'wait', math.ceil(at - now) }
end
return { 'go' }
