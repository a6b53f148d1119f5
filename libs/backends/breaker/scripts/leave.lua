-- Tell how a call went. Once open, only the probe is listened to: what else comes back was sent before.
-- Needs: circuit.lua
--
-- ARGV  2 id of the call  3 success | failure | unknown
--       4 failures in a row that open  5 calls in a window before half of them open  6 window, ms
--       7 first open phase, ms  8 longest, ms  9 jitter: what to multiply a phase by
-- Returns  {"closed"} | {"open", ms until someone may try} | {"half_open", ms until the next may}

local CALL, WORD = ARGV[2], ARGV[3]
local IN_A_ROW, CALLS_MIN, WINDOW = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local OPEN, OPEN_MAX, JITTER = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local SPANS = 12
local SUCCESSES_TO_CLOSE = 3

local function set(...)
  redis.call('HSET', BREAKER, ...)
  redis.call('PEXPIRE', BREAKER, KEPT)
end

-- A new phase forgets all counts, so that old failures don't open it again.
local function open(trips)
  local phase = math.floor(math.min(OPEN_MAX, OPEN * 2 ^ trips) * JITTER)
  circuit = { open_until = now + phase, open_for = phase }
  redis.call('DEL', BREAKER)
  set('open_until', circuit.open_until, 'open_for', phase, 'trips', trips + 1)
end

local function close()
  circuit = {}
  redis.call('DEL', BREAKER)
end

local function end_probe()
  circuit.probe = nil
  redis.call('HDEL', BREAKER, 'probe', 'probe_until', 'probe_for')
end

local function hear_probe()
  if circuit.probe ~= CALL or WORD == 'unknown' then
    if circuit.probe == CALL then
      end_probe()
    end
  elseif WORD == 'failure' then
    open(circuit.trips)
  elseif (circuit.successes or 0) + 1 >= SUCCESSES_TO_CLOSE then
    close()
  else
    end_probe()
    set('successes', (circuit.successes or 0) + 1)
  end
end

-- Counts of the window, without what has fallen out of it.
local function count_calls()
  local span = math.floor(now / (WINDOW / SPANS))
  local failed, all = 0, 0
  for name, counted in pairs(circuit) do
    local letter, number = string.match(name, '^([fs])(%d+)$')
    if letter and (tonumber(number) <= span - SPANS or tonumber(number) > span) then
      redis.call('HDEL', BREAKER, name)
    elseif letter then
      all, failed = all + counted, failed + (letter == 'f' and counted or 0)
    end
  end
  return failed, all, span
end

local function hear_call()
  local failed, all, span = count_calls()
  if WORD == 'success' then
    set('failures', 0, 's' .. span, (circuit['s' .. span] or 0) + 1)
    return
  end
  local failures = (circuit.failures or 0) + 1
  if failures >= IN_A_ROW or (all + 1 >= CALLS_MIN and (failed + 1) * 2 >= all + 1) then
    open(0)
  else
    set('failures', failures, 'f' .. span, (circuit['f' .. span] or 0) + 1)
  end
end

if circuit.open_until then
  hear_probe()
elseif WORD ~= 'unknown' then
  hear_call()
end
return verdict()
