-- How a job that was in a queue ends, whoever brings it about.
-- Needs: clock.lua fair.lua slots.lua settle.lua tell.lua result.lua conclude.lua gate.lua batch.lua

local DRAIN_WINDOW_S = 60

local RECORD = {
  'user', 'queue', 'lane', 'priority', 'seq', 'deadline', 'status', 'fence', 'size', 'begun',
  'units', 'day', 'idempotency', 'retention', 'webhook', 'crashes', 'cancel', 'run_ms', 'waiting', 'submission',
  'kind', 'result', 'batch', 'item', 'woken', 'server', 'bytes',
}

-- The members of a record that scripts decide by, or nil when there is none.
local function load_record(id)
  local values = redis.call('HMGET', KEY.job .. id, unpack(RECORD))
  if not values[1] then return nil end
  local job = {id = id}
  for i, name in ipairs(RECORD) do job[name] = values[i] or nil end
  job.priority, job.seq = tonumber(job.priority) or 0, tonumber(job.seq)
  job.deadline, job.lane = tonumber(job.deadline), job.lane or '-'
  return job
end

-- What endings go by of the job's queue.
local function read_queue_of(job)
  local names, known = {'drain', 'drain_at', 'size', 'silent_from', 'silent_until'}, {}
  for i, value in ipairs(redis.call('HMGET', KEY.queue .. job.queue, unpack(names))) do
    known[names[i]] = tonumber(value or nil)
  end
  return known
end

-- How fast the queue drains, as jobs a second, averaged over about a minute; and what a usual job of it takes.
local function count_ending(job)
  local known = job.of_queue or read_queue_of(job)
  local passed = math.max(0, now - (known.drain_at or now)) / 1000
  local rate = (known.drain or 0) * math.exp(-passed / DRAIN_WINDOW_S) + 1 / DRAIN_WINDOW_S
  local size = job.used and digits(averaged(known.size, job.used)) or known.size and digits(known.size) or ''
  redis.call('HSET', KEY.queue .. job.queue, 'drain', digits(rate), 'drain_at', now, 'size', size)
end

-- For how long the attempt has had its slot, ms; without the last silence (silence.lua), be it an outage or a clock that
-- was set forward.
local function time_used(job)
  local begun, from, till = tonumber(job.begun), job.of_queue.silent_from or 0, job.of_queue.silent_until or 0
  local silent = math.max(0, math.min(now, till) - math.max(begun, from))
  return math.max(0, now - begun - silent)
end

-- Let go of the slot: the lease ends, the time used is charged, the user's next job moves up. `ended` is the fence of
-- an attempt that ended by itself: its ending may be sent again.
local function leave_slot(job, ended)
  redis.call('DEL', KEY.arq_running .. job.id)
  redis.call('SREM', KEY.open .. job.user .. ':' .. job.queue, job.id)
  leave_gate(job)
  job.of_queue = read_queue_of(job)
  local used = time_used(job)
  local members = {'run_ms', (tonumber(job.run_ms) or 0) + used, ended and 'ended', ended}
  redis.call('HSET', KEY.job .. job.id, unpack(members))
  redis.call('HDEL', KEY.job .. job.id, 'fence', 'size', 'begun', 'error')
  charge(job.user, job.queue, tonumber(job.size) or 0, used / 1000)
  job.used = used / 1000
end

-- Write the one terminal status. `payment` is settle or refund. The caller has let go of slot, lane and tag before.
local function finish(job, status, payment)
  free_server_slot(job)
  redis.call('ZREM', zset_of(job.queue), job.id)
  if job.status ~= 'running' then redis.call('SREM', KEY.queued .. job.user, job.id) end
  local payload = redis.call('GETDEL', KEY.arq_job .. job.id)
  settle_units(payment, job.user, job.id, job.day, tonumber(job.units), job.kind)
  conclude(job, status, payload)
  count_ended_item(job, status)
  count_ending(job)
end

-- End a job that no worker holds: it was canceled, or its deadline passed. It never ran, or its attempts did not count.
local function finish_unstarted(job, status)
  if not unhold(job) and redis.call('SREM', KEY.open .. job.user .. ':' .. job.queue, job.id) == 1 then
    charge(job.user, job.queue, tonumber(job.size) or 0)
  end
  finish(job, status, 'refund')
  promote(job.user, job.queue)
end

-- Have a waiting job looked at now; nothing when it is on its way already. A provider may be quicker than the attempt
-- that is about to wait for it: that one is told not to.
local function wake(job)
  if job.status == 'running' and job.fence and not job.waiting then
    redis.call('HSET', KEY.job .. job.id, 'woken', 1)
    return
  end
  local score = redis.call('ZSCORE', zset_of(job.queue), job.id)
  if not job.waiting or not score or tonumber(score) < READY_END or tonumber(score) >= HELD then return end
  redis.call('ZADD', zset_of(job.queue), digits(now), job.id)
  ring(job.queue, 1)
end

-- Back to the queue: at once (delay 0) into its lane, else at a later time.
local function requeue(job, delay, reason)
  count_item(job, 'queued')
  if reason == 'retry' then free_server_slot(job) else keep_or_free_server_slot(job, delay) end
  redis.call('HSET', KEY.job .. job.id, 'status', 'queued')
  if job.woken then redis.call('HDEL', KEY.job .. job.id, 'woken') end
  local version = redis.call('HINCRBY', KEY.job .. job.id, 'version', 1)
  announce(job.id, 'status', '{"status":"queued","reason":"' .. reason .. '"}', version)
  tell_webhook(job, 'queued', version)
  redis.call('SADD', KEY.queued .. job.user, job.id)
  if delay > 0 then
    redis.call('ZADD', zset_of(job.queue), digits(now + delay), job.id)
    ring(job.queue, 1)
  else
    hold(job)
  end
  promote(job.user, job.queue)
end
