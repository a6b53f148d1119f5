-- Learn from what became of a request, and free what it held.
--
-- Answered: it arrived before now, so it counts for one window from now, and no longer for as long as it could have been
-- under way. Refused, by a real 429: nobody starts before the upstream said, and then more slowly; who was booked keeps
-- the order. Dropped: it failed or was given up, perhaps before it started; where it got to is unknown.
-- Needs: limit.lua
--
-- ARGV  9 answered | refused | dropped  10 ms until the upstream will take requests again
-- Returns  nothing

local WORD, PAUSE = ARGV[9], tonumber(ARGV[10])
local SHARE_MIN = 0.1

-- RFC 6298, 2.2 and 2.3.
local function note_delay(ms)
  if state.delay then
    state.deviation = state.deviation * 3 / 4 + math.abs(state.delay - ms) / 4
    state.delay = state.delay * 7 / 8 + ms / 8
  else
    state.delay, state.deviation = ms, ms / 2
  end
  redis.call('HSET', STATE, 'delay', state.delay, 'deviation', state.deviation)
end

local function rebook(request, at)
  redis.call('ZADD', ROW, at, request)
  if AT_ONCE > 0 then
    redis.call('ZADD', UNDER_WAY, at + LEASE, request)
  end
end

-- Those that were under way when the first of them was refused do not slow everyone down again.
local function slow_down(started_at)
  if not state.slowed_at or started_at > state.slowed_at then
    state.share, state.slowed_at = math.max(SHARE_MIN, share() * 0.9), now
  end
  state.paused_until = math.max(state.paused_until or 0, now + PAUSE)
  state.next_at = state.paused_until
  for _, request in ipairs(redis.call('ZRANGE', ROW, 0, -1)) do
    rebook(request, state.next_at)
    state.next_at = state.next_at + interval(request)
  end
  redis.call('HSET', STATE, 'share', state.share, 'slowed_at', state.slowed_at,
    'paused_until', state.paused_until, 'next_at', state.next_at)
end

keep_step()
local counts_until = tonumber(redis.call('ZSCORE', LOG, REQUEST))
local is_booked = redis.call('ZSCORE', ROW, REQUEST)
local started_at = counts_until and counts_until - WINDOW - ARRIVES or now

redis.call('ZREM', UNDER_WAY, REQUEST)
if is_booked then
  give_back(REQUEST)
end
if counts_until and WORD ~= 'dropped' then
  note_delay(now - started_at)
  redis.call('ZADD', LOG, 'LT', now + WINDOW, REQUEST)
end
if WORD == 'refused' then
  slow_down(started_at)
end
keep()
