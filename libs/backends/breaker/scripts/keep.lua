-- Keep a probe that is under way; one whose caller died is waited for no longer than it was kept.
-- Needs: circuit.lua
--
-- ARGV  2 id of the call  3 for how long, ms
-- Returns  "kept" | "lost": it is somebody else's turn

if circuit.probe ~= ARGV[2] then return 'lost' end

redis.call('HSET', BREAKER, 'probe_until', now + ARGV[3], 'probe_for', ARGV[3])
return 'kept'
