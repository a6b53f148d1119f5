-- A server of the fleet. Stands above every script about one.
--
-- server HASH
--   sick, why      since when it is out of the fleet (ms), and the word for what was wrong with its device
--   faults         how often that happened, each within an hour of the last; the last of them at `fault`
--   good           since when every probe of a sick one went well
--   state, since   what the last probe made of it all, and since when that is so
--   seen, version  the last good probe, and what the server said of itself
--   probed         the last probe, good or not
--   given, loaded  when it was last given a job, and that job's needs (libs/jobs/scripts/servers.lua)
--   offered        digest of all that it offers
--   problems       what of it cannot be used, in words, JSON
--
-- Needs: clock.lua
--
-- ARGV  1 server

local NAME = ARGV[1]
local SERVER = KEY.server .. NAME
local KEPT_S = 86400
local BELL_MAX = 64

local function busy_slots()
  return redis.call('ZCOUNT', KEY.slots .. NAME, '(' .. now, '+inf')
end

-- "well", "away" (its breaker is not closed) or "sick" (out of the fleet).
local function state_of(sick)
  if sick then return 'sick' end
  return redis.call('HEXISTS', KEY.breaker .. NAME, 'open_until') == 1 and 'away' or 'well'
end

-- Wake as many workers as may find a slot now: jobs may wait for this server.
local function ring_all(first, slots)
  for i = first, #ARGV do
    for _ = 1, math.max(1, slots - busy_slots()) do redis.call('LPUSH', KEY.bell .. ARGV[i], '1') end
    redis.call('LTRIM', KEY.bell .. ARGV[i], 0, BELL_MAX - 1)
  end
end
