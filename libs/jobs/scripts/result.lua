-- Known results: which job has done the same work already, by the digest of all that decides its outcome.
--
-- An entry names a job and copies nothing of it, so it is worth no more than that job's record: where the record is
-- gone (retention, erasure), nothing is known.
-- Needs: clock.lua

local RESULT_KEPT_S = 86400

local function remember_result(job)
  redis.call('SET', KEY.result .. job.result, job.id, 'EX', math.min(RESULT_KEPT_S, tonumber(job.retention)))
end

-- What that job made: its id, output and artifacts as JSON, and the bytes of these; nil when none is known.
local function find_result(digest)
  local id = redis.call('GET', KEY.result .. digest)
  if not id then return nil end
  local known = redis.call('HMGET', KEY.job .. id, 'status', 'output', 'artifacts', 'stored')
  if known[1] ~= 'succeeded' then return nil end
  return {id = id, output = known[2] or nil, artifacts = known[3] or nil, stored = tonumber(known[4]) or 0}
end
