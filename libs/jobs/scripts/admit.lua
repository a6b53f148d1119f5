-- Admit one job, or say why not.
--
-- All that can refuse is read first; the first write comes after the last check. So a refusal costs the caller
-- nothing, and there is no half-admitted job.
--
-- A job whose result is known is never queued: it is over at once and costs no unit. Its artifacts must be copies of
-- its own, so where there are any it is first asked for them.
-- Needs: clock.lua rate.lua credential.lua fair.lua settle.lua tell.lua result.lua stored.lua conclude.lua
--
-- ARGV  1 job id         2 user            3 digest of the api key   4 queue         5 kind
--       6 payload        7 units           8 priority                9 lane         10 deadline, ms from when it may run
--      11 run at, ms since the epoch, or 0                          12 idempotency digest or ''
--      13 fingerprint   14 submits a window, 0 = no limit           15 window, µs   16 units a day, -1 = no limit
--      17 queued at most                   18 jobs in the queue at most             19 weight        20 cap
--      21 digest to look a known result up by, or ''
--      22 id of the job whose artifacts were copied, or ''          23 the copies, JSON
--      24 bytes of the copies                                       25 bytes that the user may store, -1 = no limit
--      26… further members of the record: name, value, …
-- Returns  the outcome, then: now (ms)  submits left  µs until that bucket is full  its limit
--          units of today, held and used
--   {"admitted", …, seq}
--   {"known", …, output}                       the job is over: the output is as JSON, or nil
--   {"copies_wanted", …, job id, artifacts}    nothing is written: copy them and ask again
--   {"replayed", …, job id of the first submission}
--   or the code of a Refusal: {"invalid_token"} {"idempotency_key_reused", …} {"rate_limited", …, µs to wait}
--   {"queue_limit", …} {"quota_exceeded", …} {"storage_exceeded", …} {"draining", …}
--   {"queue_full", …, jobs queued, jobs drained a second}

local RECENT_MAX = 100000
local SHARE_KEPT_S = 40 * 86400 -- longer than a job may be scheduled ahead and wait
local id, user, digest, queue, kind = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local units, priority, lane = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local run_at = tonumber(ARGV[11])
local deadline = math.max(now, run_at) + tonumber(ARGV[10])
local limit, window_us, quota = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
local memory = ARGV[12] ~= '' and KEY.idempotency .. user .. ':' .. ARGV[12]

local good, rates = credential_good(digest, user)
local buckets = buckets_of(user, digest, rates, 'submits', limit)

local function today_units()
  local usage = redis.call('HMGET', KEY.usage .. user .. ':' .. today(), 'held', 'used')
  return (tonumber(usage[1]) or 0) + (tonumber(usage[2]) or 0)
end

local function answer(outcome, ...)
  local left, until_full, of = 0, 0, 0
  if limit > 0 then left, until_full, of = tightest(buckets, window_us) end
  return {outcome, digits(now), left, digits(until_full), of, today_units(), ...}
end

if not good then return {'invalid_token'} end
local first = memory and redis.call('GET', memory)
if first then
  local fingerprint, first_id = string.match(first, '^(%S+) (%S+)$')
  if fingerprint ~= ARGV[13] then return answer('idempotency_key_reused', first_id) end
  return answer('replayed', first_id)
end
if limit > 0 then
  local wait = wait_for_tokens(buckets, window_us)
  if wait > 0 then return answer('rate_limited', digits(wait)) end
end
local stored_max = tonumber(ARGV[25])
if stored_max >= 0 and stored_bytes(user) >= stored_max then return answer('storage_exceeded') end
local known = ARGV[21] ~= '' and run_at <= now and find_result(ARGV[21])
if known then
  if known.artifacts and known.id ~= ARGV[22] then return answer('copies_wanted', known.id, known.artifacts) end
else
  if redis.call('SCARD', KEY.queued .. user) >= tonumber(ARGV[17]) then return answer('queue_limit') end
  if quota >= 0 and today_units() + units > quota then return answer('quota_exceeded') end
  if redis.call('HGET', KEY.queue .. queue, 'draining') == '1' then return answer('draining') end
  local queued = redis.call('ZCARD', zset_of(queue))
  if queued >= tonumber(ARGV[18]) then
    return answer('queue_full', queued, redis.call('HGET', KEY.queue .. queue, 'drain') or '0')
  end
end

local function record_job(status, cost, ...)
  redis.call('HSET', KEY.job .. id,
    'user', user, 'queue', queue, 'kind', kind, 'status', status, 'units', cost,
    'created', digits(now), 'deadline', digits(deadline), ...)
  redis.call('HSET', KEY.job .. id, unpack(ARGV, 26))
  if priority ~= 0 then redis.call('HSET', KEY.job .. id, 'priority', priority) end
  if memory then
    redis.call('SET', memory, ARGV[13] .. ' ' .. id)
    redis.call('HSET', KEY.job .. id, 'idempotency', ARGV[12])
  end
  redis.call('ZADD', KEY.jobs .. user, 0, id)
  redis.call('XADD', KEY.recent, 'MAXLEN', '~', RECENT_MAX, '*', 'job', id, 'user', user)
end

if known then
  record_job('queued', 0, 'cached', 1)
  if known.output then redis.call('HSET', KEY.job .. id, 'output', known.output) end
  if known.artifacts then redis.call('HSET', KEY.job .. id, 'artifacts', ARGV[23], 'stored', ARGV[24]) end
  local members = redis.call('HMGET', KEY.job .. id, 'retention', 'webhook')
  conclude({id = id, user = user, idempotency = memory and ARGV[12], retention = members[1],
    webhook = members[2] or nil}, 'succeeded', ARGV[6])
  if limit > 0 then spend_tokens(buckets, window_us) end
  return answer('known', known.output or false)
end
local seq = redis.call('HINCRBY', KEY.queue .. queue, 'seq', 1)
record_job(run_at > now and 'scheduled' or 'queued', units, 'seq', seq, 'day', reserve_units(user, id, units))
if lane ~= '-' then redis.call('HSET', KEY.job .. id, 'lane', lane) end
redis.call('SET', KEY.arq_job .. id, ARGV[6])
redis.call('SADD', KEY.queued .. user, id)
redis.call('HSET', KEY.share .. user .. ':' .. queue, 'weight', ARGV[19], 'cap', ARGV[20])
redis.call('EXPIRE', KEY.share .. user .. ':' .. queue, SHARE_KEPT_S)
if limit > 0 then spend_tokens(buckets, window_us) end
if run_at > now then
  redis.call('ZADD', zset_of(queue), digits(run_at), id)
  ring(queue, 1)
else
  hold({id = id, user = user, queue = queue, lane = lane, priority = priority, seq = seq, deadline = deadline})
  promote(user, queue)
end
return answer('admitted', seq)
