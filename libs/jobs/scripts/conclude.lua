-- What every end of a job writes and tells, whether it was ever in a queue or not.
-- Needs: clock.lua tell.lua outbox.lua result.lua stored.lua record_bytes.lua

local IDEMPOTENCY_KEPT_S = 86400
-- Records are moved to the archive long before this: it is for a sweep that stays away.
local RECORD_MARGIN_S = 30 * 86400

-- Write the one terminal status. From here on the record counts down its retention. `job` has id, user, retention,
-- and where it has them idempotency, webhook and result; `left_bytes`: what its attempt left in the record, to be counted.
local function conclude(job, status, payload)
  local record = KEY.job .. job.id
  local version = redis.call('HINCRBY', record, 'version', 1)
  local last, has_stream = announce(job.id, 'done', '{"status":"' .. status .. '"}', version)
  local words = {'status', status, 'finished', now, 'last_event', last, 'payload', payload or ''}
  local counted = job.left_bytes and tonumber(job.bytes)
  if counted then
    words[#words + 1], words[#words + 2] = 'bytes', counted + job.left_bytes
    count_bytes(job.user, job.left_bytes)
  end
  redis.call('HSET', record, unpack(words))
  redis.call('EXPIRE', record, math.max(tonumber(job.retention), IDEMPOTENCY_KEPT_S) + RECORD_MARGIN_S)
  redis.call('ZADD', KEY.finished .. job.user, now, job.id)
  redis.call('ZADD', KEY.archiving, 'NX', now, job.user)
  if has_stream then redis.call('EXPIRE', KEY.events .. job.id, EVENTS_KEPT_S) end
  if job.idempotency then
    redis.call('EXPIRE', KEY.idempotency .. job.user .. ':' .. job.idempotency, IDEMPOTENCY_KEPT_S)
  end
  local stored = tonumber(redis.call('HGET', record, 'stored'))
  if stored then count_artifacts(job.user, stored, tonumber(job.retention)) end
  if status == 'succeeded' and job.result then remember_result(job) end
  tell_webhook(job, status, version)
end
