-- Tell a job's followers: one entry in its stream, one message to whoever listens now.
--
-- A job gets a stream with the first thing its attempt has to say: a stream of one event costs 4 kB, and of a job that
-- is over at once the record says it all.
-- Needs: clock.lua

local EVENTS_MAX = 1000
local EVENTS_KEPT_S = 600

local BEHIND_ANNOUNCED = 1000000 -- a stream's first event comes after all that was announced in the same ms

-- Returns the event's id. `data` is a JSON object. A preview is of its moment: whoever listens sees it, whoever comes
-- later sees the next one. It has an id like everything, and is not kept: at 64 KiB each, one job's would fill Redis.
local function tell(job, type, data)
  local momentary = type == 'preview'
  local begun = redis.call('EXISTS', KEY.events .. job) == 1
  local id = redis.call('XADD', KEY.events .. job, 'MAXLEN', '~', EVENTS_MAX,
    begun and '*' or digits(now) .. '-' .. BEHIND_ANNOUNCED, 'type', type, 'data', momentary and '{}' or data)
  if momentary then redis.call('XDEL', KEY.events .. job, id) end
  redis.call('PUBLISH', KEY.events .. job, id .. ' ' .. type .. ' ' .. data)
  return id
end

-- Tell a change of status, whose number is the record's `version`. While the job has no stream its followers hear it,
-- and late ones read the record. Returns the event's id, and whether the job has a stream.
local function announce(job, type, data, version)
  if redis.call('EXISTS', KEY.events .. job) == 1 then return tell(job, type, data), true end
  local id = digits(now) .. '-' .. version
  redis.call('PUBLISH', KEY.events .. job, id .. ' ' .. type .. ' ' .. data)
  return id, false
end
