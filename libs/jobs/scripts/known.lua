-- Writing a job whose result is known: it is over at once, was never in a queue and costs no unit.
-- Needs: enter.lua result.lua conclude.lua

-- `known` is what find_result found; where it has artifacts, `artifacts` are the job's own copies as JSON, and `stored`
-- their bytes.
local function record_known(job, known, artifacts, stored)
  record_job(job, 'queued', 0, 'cached', 1)
  if known.output then redis.call('HSET', KEY.job .. job.id, 'output', known.output) end
  if known.artifacts then redis.call('HSET', KEY.job .. job.id, 'artifacts', artifacts, 'stored', stored) end
  local members = redis.call('HMGET', KEY.job .. job.id, 'retention', 'webhook')
  job.retention, job.webhook = members[1], members[2] or nil
  conclude(job, 'succeeded', job.payload)
end
