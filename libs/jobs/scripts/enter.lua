-- Writing a job that has been let in: its record and indices, and its place in the queue.
--
-- `job` is a table: id, user, queue, kind, units, priority, lane, deadline, run_at, payload, idempotency (digest or
-- false), bytes and what other `members` its record has: name, value, …
-- Needs: clock.lua fair.lua record_bytes.lua outbox.lua

local RECENT_MAX = 100000
local SHARE_KEPT_S = 40 * 86400 -- longer than a job may be scheduled ahead and wait

-- What the members of a record that the caller gave say: `name` among name, value, …
local function member(words, name)
  for i = 1, #words, 2 do
    if words[i] == name then return words[i + 1] end
  end
end

-- The bytes of an order, as they will be counted: its payload, and the members of its record that came with it.
local function ordered_bytes(payload, members)
  return #payload + bytes_of(members)
end

-- Adds to the job's members what is only known now.
local function add(job, name, value)
  local members = job.members
  members[#members + 1], members[#members + 2] = name, value
end

local function record_job(job, status, units)
  if job.priority ~= 0 then add(job, 'priority', job.priority) end
  if job.idempotency then add(job, 'idempotency', job.idempotency) end
  redis.call('HSET', KEY.job .. job.id,
    'user', job.user, 'queue', job.queue, 'kind', job.kind, 'status', status, 'units', units,
    'created', digits(now), 'deadline', digits(job.deadline), 'bytes', job.bytes, unpack(job.members))
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
  add(job, 'seq', job.seq)
  add(job, 'day', day)
  if job.lane ~= '-' then add(job, 'lane', job.lane) end
  record_job(job, later and 'scheduled' or 'queued', job.units)
  redis.call('SET', KEY.arq_job .. job.id, job.payload)
  redis.call('SADD', KEY.queued .. job.user, job.id)
  job.webhook = member(job.members, 'webhook')
  tell_webhook(job, later and 'scheduled' or 'queued', 0)
  if later then
    redis.call('ZADD', zset_of(job.queue), digits(job.run_at), job.id)
    ring(job.queue, 1)
  else
    hold(job)
  end
  return job.seq
end
