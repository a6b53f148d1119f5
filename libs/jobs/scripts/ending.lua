-- How a job that was in a queue ends, whoever brings it about.
-- Needs: clock.lua fair.lua slots.lua settle.lua tell.lua result.lua conclude.lua gate.lua batch.lua

local DRAIN_WINDOW_S = 60

local RECORD = {
  'user', 'queue', 'lane', 'priority', 'seq', 'deadline', 'status', 'fence', 'size', 'begun',
  'units', 'day', 'idempotency', 'retention', 'webhook', 'crashes', 'cancel', 'run_ms', 'waiting', 'submission',
  'kind', 'result', 'batch', 'item', 'woken', 'server',
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

-- How fast the queue drains, as jobs a second, averaged over about a minute; and what a usual job of it takes.
local function count_ending(queue, used)
  local known = redis.call('HMGET', KEY.queue .. queue, 'drain', 'drain_at', 'size')
  local passed = (now - (tonumber(known[2]) or now)) / 1000
  local rate = (tonumber(known[1]) or 0) * math.exp(-passed / DRAIN_WINDOW_S) + 1 / DRAIN_WINDOW_S
  local size = used and digits(averaged(tonumber(known[3]), used)) or known[3] or ''
  redis.call('HSET', KEY.queue .. queue, 'drain', digits(rate), 'drain_at', now, 'size', size)
end

-- Let go of the slot: the lease ends, the time used is charged, the user's next job moves up. `ended` is the fence of
-- an attempt that ended by itself: its ending may be sent again.
local function leave_slot(job, ended)
  redis.call('DEL', KEY.arq_running .. job.id)
  redis.call('SREM', KEY.open .. job.user .. ':' .. job.queue, job.id)
  leave_gate(job)
  local used = math.max(0, now - tonumber(job.begun))
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
  local payload = redis.call('GET', KEY.arq_job .. job.id)
  redis.call('DEL', KEY.arq_job .. job.id)
  settle_units(payment, job.user, job.id, job.day, tonumber(job.units), job.kind)
  conclude(job, status, payload)
  count_ended_item(job, status)
  count_ending(job.queue, job.used)
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
