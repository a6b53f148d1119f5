-- Ask for leave to call. After an open phase one caller at a time gets it, as the probe.
-- Needs: circuit.lua
--
-- ARGV  2 id of this call  3 how long its probe is waited for, ms
-- Returns  {"closed"} | {"probe"} | {"open", ms until someone may try} | {"half_open", ms until the next may}

local told = verdict()
if told[1] ~= 'half_open' or is_probed() then
  return told
end

redis.call('HSET', BREAKER, 'probe', ARGV[2], 'probe_until', now + ARGV[3], 'probe_for', ARGV[3])
redis.call('PEXPIRE', BREAKER, KEPT)
return { 'probe' }
