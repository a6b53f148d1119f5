-- Write what a running attempt has to say: an event, and perhaps one member of the record.
-- Needs: clock.lua tell.lua
--
-- ARGV  1 job id   2 fence   3 event type or ''   4 event data, JSON   5 member of the record or ''   6 its value
-- Returns  "told" | "fenced"

local id = ARGV[1]
if redis.call('HGET', KEY.job .. id, 'fence') ~= ARGV[2] then return 'fenced' end

if ARGV[5] ~= '' then
  redis.call('HSET', KEY.job .. id, ARGV[5], ARGV[6])
  redis.call('HINCRBY', KEY.job .. id, 'version', 1)
end
if ARGV[3] ~= '' then tell(id, ARGV[3], ARGV[4]) end
return 'told'
