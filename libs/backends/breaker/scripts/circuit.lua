-- A circuit breaker: what is known of it. Stands above every script of a breaker.
--
-- HASH, absent while nothing was heard:
--   failures    in a row                     f<n>, s<n>  failures and successes in the n-th span of time
--   open_until, open_for                     ms since the epoch, and how long before that was said; they are there in
--                                            the open and the half-open state only
--   trips       how often it opened since it was last closed
--   successes   of probes, since it last opened
--   probe, probe_until, probe_for            whose probe is under way, and how long it is waited for
--
-- Needs: clock.lua
--
-- ARGV  1 breaker

local BREAKER = KEY.breaker .. ARGV[1]
-- How long a breaker that nobody uses is remembered.
local KEPT = 3600 * 1000
-- A caller that finds a probe under way comes back so soon.
local SOON = 1000

local function read_circuit()
  local known, flat = {}, redis.call('HGETALL', BREAKER)
  for i = 1, #flat, 2 do
    known[flat[i]] = tonumber(flat[i + 1]) or flat[i + 1]
  end
  return known
end

local circuit = read_circuit()

local function is_probed()
  return circuit.probe and still(circuit.probe_until, circuit.probe_for or KEPT)
end

-- {"closed"} | {"open", ms until someone may try} | {"half_open", ms until the next may}
local function verdict()
  if not circuit.open_until then
    return { 'closed' }
  end
  if still(circuit.open_until, circuit.open_for or KEPT) then
    return { 'open', circuit.open_until - now }
  end
  return { 'half_open', is_probed() and math.min(SOON, circuit.probe_until - now) or 0 }
end
