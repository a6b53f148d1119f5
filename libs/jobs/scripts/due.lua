-- What has come due in a queue: scheduled jobs, deferred retries, and leases that ran out.
-- Needs: clock.lua fair.lua slots.lua ending.lua

local CRASHES_MAX = 3
local WORKER_LOST = '{"code":"worker_lost","detail":"The job was given up: every worker that ran it was lost.","retryable":true}'

-- A job without a record came through ARQ's own enqueue_job: it shares as the user `foreign`, weight 1, without a cap.
local function ready_foreign(queue, id)
  local share = 'foreign:' .. queue
  local start = math.max(virtual_time(queue), tonumber(redis.call('HGET', KEY.share .. share, 'finish')) or 0)
  redis.call('HSET', KEY.share .. share, 'finish', digits(start + 1))
  redis.call('ZADD', zset_of(queue), digits(start), id)
  ring(queue, 1)
end

-- The lease ran out: the worker died, hung or was cut off. Its job goes back, or is given up.
local function rescue(job)
  leave_slot(job)
  redis.call('HINCRBY', KEY.queue .. job.queue, 'rescues', 1)
  local crashes = redis.call('HINCRBY', KEY.job .. job.id, 'crashes', 1)
  if job.cancel and job.submission then
    requeue(job, 0, 'worker_lost') -- whoever claims it tells the backend, where the work may still be going on
  elseif job.cancel then
    finish(job, 'canceled', 'settle')
    promote(job.user, job.queue)
  elseif crashes >= CRASHES_MAX then
    redis.call('HSET', KEY.job .. job.id, 'error', WORKER_LOST)
    redis.call('ZADD', KEY.dead, now, job.id)
    redis.call('HSET', KEY.dead_owners, job.id, job.user)
    finish(job, 'failed', 'refund')
    promote(job.user, job.queue)
  else
    requeue(job, 0, 'worker_lost')
  end
end

-- After an outage of Redis every lease has run out and no worker is to blame: each gets one more lease to show up.
local function come_due(queue, id, spare_until)
  local job = load_record(id)
  if not job then
    if spare_until > now and redis.call('EXISTS', KEY.foreign .. id) == 1 then
      redis.call('ZADD', zset_of(queue), digits(spare_until), id)
    else
      ready_foreign(queue, id)
    end
  elseif job.waiting then
    hold(job) -- its provider is to be asked: that takes a slot, like any other work
    promote(job.user, job.queue)
  elseif job.status == 'running' then
    if spare_until > now then
      redis.call('ZADD', zset_of(queue), digits(spare_until), id)
      if job.server then hold_server_slot(job.server, id, spare_until - now) end
    else
      rescue(job)
    end
  else
    if job.status == 'scheduled' then tell_webhook(job, 'queued', redis.call('HINCRBY', KEY.job .. id, 'version', 1)) end
    redis.call('HSET', KEY.job .. id, 'status', 'queued')
    hold(job)
    promote(job.user, job.queue)
  end
end
