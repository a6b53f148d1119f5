-- The last attempt of a job that was lost with its workers twice: it runs alone. So a poison takes no neighbor with
-- it, and nobody is given up for having been the neighbor of one.
--
-- A worker that runs nothing takes such a job in its turn. Any other passes it over, and the first that does makes
-- room: it claims nothing more, runs dry and takes it then. The queue's member `alone` says who makes room, for what,
-- and until when that is believed.
-- Needs: clock.lua fair.lua due.lua

local ROOM_KEPT_MS = 5000

local function runs_alone(crashes)
  return (tonumber(crashes) or 0) >= CRASHES_MAX - 1
end

-- Make room for a job; false when somebody else makes room in this queue.
local function promise_room(queue, worker, id)
  local promise = redis.call('HGET', KEY.queue .. queue, 'alone')
  local who, _, believed = string.match(promise or '', '^(%S+) (%S+) (%S+)$')
  if who and who ~= worker and still(tonumber(believed), ROOM_KEPT_MS) then return false end
  redis.call('HSET', KEY.queue .. queue, 'alone', worker .. ' ' .. id .. ' ' .. digits(now + ROOM_KEPT_MS))
  return true
end

-- The job that this worker makes room for, and its tag; nil when it makes none, or the job is not ready any more.
local function promised_job(queue, promise, worker)
  local who, id = string.match(promise or '', '^(%S+) (%S+) %S+$')
  if who ~= worker then return nil end
  local tag = tonumber(redis.call('ZSCORE', zset_of(queue), id))
  if tag and tag < READY_END then return id, tag end
  redis.call('HDEL', KEY.queue .. queue, 'alone')
  return nil
end
