-- Cancel a user's job: at once while it waits, by word to its worker while it runs.
-- Needs: clock.lua fair.lua slots.lua settle.lua tell.lua gate.lua batch.lua ending.lua
--
-- ARGV  1 job id   2 user
-- Returns  "not_found" | "canceled" (now, or it was) | "requested" | "finished" (with another status)

local CONTROL_KEPT_S = 60
local job = load_record(ARGV[1])
if not job or job.user ~= ARGV[2] then return 'not_found' end
if job.status == 'canceled' then return 'canceled' end
if job.status ~= 'scheduled' and job.status ~= 'queued' and job.status ~= 'running' then return 'finished' end

local function request()
  if job.cancel then return end
  redis.call('HSET', KEY.job .. job.id, 'cancel', digits(now))
  local version = redis.call('HINCRBY', KEY.job .. job.id, 'version', 1)
  announce(job.id, 'status', '{"status":"' .. job.status .. '","cancel_requested":true}', version)
end

if job.waiting then
  request()
  wake(job)
  return 'requested'
elseif job.status == 'running' then
  request()
  local control = KEY.control .. string.match(job.fence, '^[^:]+')
  redis.call('LPUSH', control, 'cancel ' .. job.id)
  redis.call('EXPIRE', control, CONTROL_KEPT_S)
  return 'requested'
elseif job.submission then
  request() -- an earlier attempt left work at a backend: whoever claims the job next ends it there
  return 'requested'
end
finish_unstarted(job, 'canceled')
return 'canceled'
