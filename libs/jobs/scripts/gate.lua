-- Gates: a kind whose backend takes only so many jobs at a time. What it cannot take yet keeps its place in the queue, and
-- whoever stands behind it and can run goes past.
--
-- gate       HASH  places: jobs that workers may hold to hand them over; in_flight_max: those, and the ones that wait at
--                  the backend; shut_until: before then nothing is handed out, said shut_for ms before
-- gate_desk  SET   ids of the jobs that workers hold; gate_away SET  ids of the jobs that wait at the backend
-- A kind without a gate has none of these keys.
-- Needs: clock.lua fair.lua

local LOOK_MAX = 200 -- ready jobs that one claim looks past: of closed gates, or that no server can take

local MOST_SHUT_MS = 3600000 -- where nothing says for how long

local function gate_of(kind)
  local known = redis.call('HMGET', KEY.gate .. kind, 'places', 'in_flight_max', 'shut_until', 'shut_for')
  if not known[1] then return nil end
  local held, away = redis.call('SCARD', KEY.gate_desk .. kind), redis.call('SCARD', KEY.gate_away .. kind)
  local shut_until = tonumber(known[3]) or 0
  local shut = still(shut_until, tonumber(known[4]) or MOST_SHUT_MS)
  local room = math.min(tonumber(known[1]) - held, tonumber(known[2]) - held - away)
  return {room = shut and 0 or room, shut_until = shut and shut_until or 0}
end

-- The job is out of its worker's hands: its place is free, and whoever waits for one is called.
local function leave_gate(job)
  local left = redis.call('SREM', KEY.gate_desk .. job.kind, job.id) + redis.call('SREM', KEY.gate_away .. job.kind, job.id)
  if left > 0 then ring(job.queue, 1) end
end

-- The backend has the job.
local function wait_behind_gate(job)
  if redis.call('EXISTS', KEY.gate .. job.kind) == 1 then redis.call('SADD', KEY.gate_away .. job.kind, job.id) end
end
