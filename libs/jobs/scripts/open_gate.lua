-- Say how many jobs the backend of a kind takes; who shut the gate keeps it shut. Said again and again, and some places are
-- looked at each time: one that stands for no running job, its record lost by a hand in Redis, is freed.
--
-- ARGV  1 kind   2 places   3 in flight at most

local LOOK = 50
local kind = ARGV[1]
local stale = {}

for _, set in ipairs({KEY.gate_desk .. kind, KEY.gate_away .. kind}) do
  for _, id in ipairs(redis.call('SRANDMEMBER', set, LOOK)) do
    if redis.call('HGET', KEY.job .. id, 'status') ~= 'running' then stale[#stale + 1] = {set, id} end
  end
end

for _, each in ipairs(stale) do redis.call('SREM', each[1], each[2]) end
redis.call('HSET', KEY.gate .. kind, 'places', ARGV[2], 'in_flight_max', ARGV[3])
