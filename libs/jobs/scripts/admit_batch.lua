-- Admit a batch, or say why not: the units of all its items are reserved in one step, or none are.
--
-- Its items lie in the object store already, under a name that a worker looks after (see batches_due). They become jobs
-- later, in chunks: admit_items.lua.
-- Needs: clock.lua rate.lua credential.lua settle.lua batch.lua
--
-- ARGV  1 batch id       2 user           3 digest of the api key   4 queue         5 kind
--       6 items          7 units of all   8 deadline, ms from now   9 idempotency digest or ''
--      10 fingerprint   11 submits a window, 0 = no limit          12 window, µs   13 units a day, -1 = no limit
--      14 unfinished batches of the user at most                   15 jobs in the queue at most
--      16 '1' to look only: what would be refused is, and nothing is written
--      17… further members of the record: name, value, …
-- Returns  the outcome, then: now (ms)  submits left  µs until that bucket is full  its limit
--          units of today, held and used
--   {"admitted" | "clear", …} | {"replayed", …, batch id of the first submission}
--   or the code of a Refusal: {"invalid_token"} {"idempotency_key_reused", …, id} {"rate_limited", …, µs to wait}
--   {"queue_limit", …} {"quota_exceeded", …} {"draining", …} {"queue_full", …, jobs queued, jobs drained a second}
--   {"lapsed"} when its items were given up meanwhile

local id, user, digest, queue, kind = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local items, units, deadline = tonumber(ARGV[6]), tonumber(ARGV[7]), now + tonumber(ARGV[8])
local limit, window_us, quota = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local memory = ARGV[9] ~= '' and KEY.idempotency .. user .. ':' .. ARGV[9]
local only_look = ARGV[16] == '1'

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
  if fingerprint ~= ARGV[10] then return answer('idempotency_key_reused', first_id) end
  return answer('replayed', first_id)
end
if limit > 0 then
  local wait = wait_for_tokens(buckets, window_us)
  if wait > 0 then return answer('rate_limited', digits(wait)) end
end
if redis.call('SCARD', KEY.batches_open .. user) >= tonumber(ARGV[14]) then return answer('queue_limit') end
if quota >= 0 and today_units() + units > quota then return answer('quota_exceeded') end
if redis.call('HGET', KEY.queue .. queue, 'draining') == '1' then return answer('draining') end
local queued = redis.call('ZCARD', queue == 'default' and KEY.arq_queue or KEY.arq_queue .. ':' .. queue)
if queued >= tonumber(ARGV[15]) then
  return answer('queue_full', queued, redis.call('HGET', KEY.queue .. queue, 'drain') or '0')
end
if only_look then return answer('clear') end
if not redis.call('ZSCORE', KEY.batches_due, due_member(user, id)) then return {'lapsed'} end

local day = reserve_units(user, id, units)
redis.call('HSET', KEY.batch .. id,
  'user', user, 'queue', queue, 'kind', kind, 'status', 'running', 'items', items, 'left', items, 'next', 0,
  'units', units, 'units_left', units, 'day', day, 'created', digits(now), 'deadline', digits(deadline),
  unpack(ARGV, 17))
if memory then
  redis.call('SET', memory, ARGV[10] .. ' ' .. id)
  redis.call('HSET', KEY.batch .. id, 'idempotency', ARGV[9])
end
redis.call('ZADD', KEY.batches .. user, 0, id)
redis.call('SADD', KEY.batches_open .. user, id)
look_now(user, id)
if limit > 0 then spend_tokens(buckets, window_us) end
return answer('admitted')
