-- Tell a job's followers: one entry in its stream, one message to whoever listens now.
--
-- A job gets a stream when it starts: queued jobs are many, and a stream of one event costs 4 kB.
-- Needs: clock.lua

local EVENTS_MAX = 1000
local EVENTS_KEPT_S = 600

-- Returns the event's id. `data` is a JSON object.
local function tell(job, type, data)
  local id = redis.call('XADD', KEY.events .. job, 'MAXLEN', '~', EVENTS_MAX, '*', 'type', type, 'data', data)
  redis.call('PUBLISH', KEY.events .. job, id .. ' ' .. type .. ' ' .. data)
  return id
end

-- The same for a job that never started and so has no stream: its followers hear it, and late ones read the record.
local function announce(job, type, data)
  if redis.call('EXISTS', KEY.events .. job) == 1 then return tell(job, type, data) end
  local id = digits(now) .. '-0'
  redis.call('PUBLISH', KEY.events .. job, id .. ' ' .. type .. ' ' .. data)
  return id
end

-- Queue a status change for the webhook that the job names.
local function tell_webhook(job, webhook, status, version)
  if not webhook then return end
  redis.call('XADD', KEY.outbox, '*', 'job', job, 'status', status, 'sequence', version, 'at', now)
end
