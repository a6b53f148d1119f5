-- Writing a job whose result is known: it is over at once, was never in a queue and costs no unit.
-- Needs: enter.lua result.lua conclude.lua

-- `known` is what find_result found; where it has artifacts, `artifacts` are the job's own copies as JSON, and `stored`
-- their bytes.
local function record_known(job, known, artifacts, stored)
  job.bytes = job.bytes + #(known.output or '') + #(known.artifacts and artifacts or '')
  add(job, 'cached', 1)
  record_job(job, 'queued', 0)
  if known.output then redis.call('HSET', KEY.job .. job.id, 'output', known.output) end
  if known.artifacts then redis.call('HSET', KEY.job .. job.id, 'artifacts', artifacts, 'stored', stored) end
  job.retention, job.webhook = member(job.members, 'retention'), member(job.members, 'webhook')
  conclude(job, 'succeeded', job.payload)
end
