-- Writing a job that has been let in: its record and indices, and its place in the queue.
--
-- `job` is a table: id, user, queue, kind, units, priority, lane, deadline, run_at, payload, idempotency (digest or
-- false) and what other `members` its record has: name, value, …
-- Needs: clock.lua fair.lua outbox.lua

local RECENT_MAX = 100000
local SHARE_KEPT_S = 40 * 86400 -- longer than a job may be scheduled ahead and wait

local function record_job(job, status, units, ...)
  redis.call('HSET', KEY.job .. job.id,
    'user', job.user, 'queue', job.queue, 'kind', job.kind, 'status', status, 'units', units,
    'created', digits(now), 'deadline', digits(job.deadline), ...)
  redis.call('HSET', KEY.job .. job.id, unpack(job.members))
  if job.priority ~= 0 then redis.call('HSET', KEY.job .. job.id, 'priority', job.priority) end
  if job.idempotency then redis.call('HSET', KEY.job .. job.id, 'idempotency', job.idempotency) end
  redis.call('ZADD', KEY.jobs .. job.user, 0, job.id)
  redis.call('XADD', KEY.recent, 'MAXLEN', '~', RECENT_MAX, '*', 'job', job.id, 'user', job.user)
end

-- Set the user's share of a queue to what their plan says now.
local function set_share(user, queue, weight, cap)
  redis.call('HSET', KEY.share .. user .. ':' .. queue, 'weight', weight, 'cap', cap)
  redis.call('EXPIRE', KEY.share .. user .. ':' .. queue, SHARE_KEPT_S)
end

-- Record a job whose units were reserved on `day`, and put it into its queue, at once or for later; its number there.
-- The share is set before, and the user's jobs are promoted once all are in.
local function enter(job, day)
  job.seq = redis.call('HINCRBY', KEY.queue .. job.queue, 'seq', 1)
  local later = job.run_at > now
  record_job(job, later and 'scheduled' or 'queued', job.units, 'seq', job.seq, 'day', day)
  if job.lane ~= '-' then redis.call('HSET', KEY.job .. job.id, 'lane', job.lane) end
  redis.call('SET', KEY.arq_job .. job.id, job.payload)
  redis.call('SADD', KEY.queued .. job.user, job.id)
  job.webhook = redis.call('HGET', KEY.job .. job.id, 'webhook')
  tell_webhook(job, later and 'scheduled' or 'queued', 0)
  if later then
    redis.call('ZADD', zset_of(job.queue), digits(job.run_at), job.id)
    ring(job.queue, 1)
  else
    hold(job)
  end
  return job.seq
end
