-- An outbound limit: its rule, and what is known of it. Stands above every script of a limiter.
--
-- Times are ms since the epoch, with fractions. A request is called `<tokens>:<id>`.
-- STATE      HASH  next_at (the end of the row), delay, deviation, share, slowed_at, paused_until,
--                  seen (when it was last booked)
-- ROW        ZSET  requests that wait, by the time they may start
-- LOG        ZSET  requests that count against the limit, by the time they cease to
-- UNDER_WAY  ZSET  requests that hold one of the places at once, booked ones too, by the end of their lease
--
-- ARGV  1 limiter  2 request  3 requests a window  4 tokens a window  5 requests at once (0: no limit, both)
--       6 window, ms  7 a request arrives within, ms  8 lease, ms

local STATE, ROW = KEY.limiter .. ARGV[1], KEY.limiter_row .. ARGV[1]
local LOG, UNDER_WAY = KEY.limiter_log .. ARGV[1], KEY.limiter_under_way .. ARGV[1]
local REQUEST = ARGV[2]
local REQUESTS, TOKENS, AT_ONCE = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local ARRIVES, LEASE = tonumber(ARGV[7]), tonumber(ARGV[8])
-- Two clocks that are being adjusted, ours and the provider's, may part by 500 ppm each (adjtimex(2)).
local WINDOW = ARGV[6] * 1.001

-- A booking whose holder has not come so long after its time has no holder any more.
local GRACE = 1000
-- How long a limit that nobody uses is remembered.
local KEPT = 3600 * 1000
local SET_BACK_MAX = 100000

local now = now_us / 1000 -- with fractions

local function after(at)
  return string.format('(%.17g', at)
end

local function read_state()
  local known, flat = {}, redis.call('HGETALL', STATE)
  for i = 1, #flat, 2 do
    known[flat[i]] = tonumber(flat[i + 1])
  end
  return known
end

local state = read_state()

-- The clock has stepped back since the limit was last used: all that is booked, logged, under way or paused comes as much
-- earlier, so that the upstream goes on to get what it is to get, neither less nor more.
local function keep_step()
  local step = stepped_back(state.seen)
  if step == 0 then return end
  redis.call('HSET', STATE, 'seen', digits(now))
  for _, key in ipairs({ ROW, LOG, UNDER_WAY }) do
    set_back(key, step, SET_BACK_MAX)
  end
  for _, name in ipairs({ 'next_at', 'slowed_at', 'paused_until' }) do
    if state[name] then
      state[name] = state[name] - step
      redis.call('HSET', STATE, name, digits(state[name]))
    end
  end
end

-- How long a request takes from its start to its answer, as TCP estimates a round trip (RFC 6298, 2): the smoothed delay
-- and four times its deviation; a second before the first answer.
local function delay()
  return math.min(ARRIVES, state.delay and state.delay + 4 * state.deviation or 1000)
end

-- The share of the limit that is used: less after the upstream refused, a hundredth more with each sixth of a window.
local function share()
  if not state.share then
    return 1
  end
  local steps = math.floor(math.max(0, now - state.paused_until) / (WINDOW / 6))
  return math.min(1, state.share + steps / 100)
end

local function tokens_of(request)
  return tonumber(string.match(request, '^%d+'))
end

-- How long nobody else may start after this request. A request occupies one of the limit's places for a window and for
-- as long as it is under way; so many such spans, one beginning after the other, never need more places than there are.
local function interval(request)
  local part = 1 / REQUESTS
  if TOKENS > 0 then
    part = math.max(part, tokens_of(request) / TOKENS)
  end
  return (WINDOW + delay()) * part / share()
end

-- A booking that nobody will use gives its interval back to the end of the row.
local function give_back(request)
  redis.call('ZREM', ROW, request)
  redis.call('ZREM', UNDER_WAY, request)
  state.next_at = (state.next_at or now) - interval(request)
  redis.call('HSET', STATE, 'next_at', state.next_at)
end

-- Everything goes some time after the last booking; a pause may be longer than that.
local function keep()
  local horizon = math.max(now, state.next_at or 0, state.paused_until or 0)
  for _, key in ipairs({ STATE, ROW, LOG, UNDER_WAY }) do
    redis.call('PEXPIRE', key, math.ceil(horizon - now + WINDOW + ARRIVES + LEASE + KEPT))
  end
end
