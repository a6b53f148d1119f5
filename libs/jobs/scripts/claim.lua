-- Claim up to n ready jobs for a worker, payloads and all; first bring in what has come due.
--
-- A claim re-scores the job to the end of its lease: it leaves the head of the queue, and comes due by itself when its
-- worker dies. The fence (`<worker>:<claim number>`) is what every later write of this attempt must show.
-- Needs: clock.lua fair.lua settle.lua tell.lua ending.lua due.lua
--
-- ARGV  1 worker   2 lease, ms   3 n   4 '1' after an outage of Redis   5… queues, most urgent first
-- Returns  {ms until something comes due (-1: nothing), claim, …}
--   claim  {id, queue, fence, payload, attempt, failures, user, kind, created, deadline, submission, canceled?}
--          a foreign job has no more than {id, queue, fence, payload}

local worker, lease, wanted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local DUE_MAX = 100
local claims = {}
local next_due = -1

local function spared_until(queue)
  if ARGV[4] == '1' then
    redis.call('HSET', KEY.queue .. queue, 'spare_until', digits(now + lease))
    return now + lease
  end
  return tonumber(redis.call('HGET', KEY.queue .. queue, 'spare_until')) or 0
end

local function bring_in_due(queue)
  local due = redis.call('ZRANGEBYSCORE', zset_of(queue), digits(READY_END), digits(now), 'LIMIT', 0, DUE_MAX)
  if #due == 0 and ARGV[4] ~= '1' then return end
  local spare_until = spared_until(queue)
  for _, id in ipairs(due) do come_due(queue, id, spare_until) end
end

local function take_lease(queue, id, tag)
  local fence = worker .. ':' .. redis.call('HINCRBY', KEY.queue .. queue, 'claims', 1)
  if tag > virtual_time(queue) then redis.call('HSET', KEY.queue .. queue, 'virtual', digits(tag)) end
  redis.call('ZADD', zset_of(queue), digits(now + lease), id)
  redis.call('SET', KEY.arq_running .. id, fence, 'PX', lease)
  return fence
end

local function claim_foreign(queue, id, tag)
  claims[#claims + 1] = {id, queue, take_lease(queue, id, tag), redis.call('GET', KEY.arq_job .. id)}
end

-- A job whose provider is to be asked goes on with the attempt it has: only the fence is new.
local function claim_waiting(queue, id, tag, known)
  local fence = take_lease(queue, id, tag)
  redis.call('HSET', KEY.job .. id, 'fence', fence, 'begun', digits(now))
  redis.call('HDEL', KEY.job .. id, 'waiting')
  claims[#claims + 1] = {id, queue, fence, redis.call('GET', KEY.arq_job .. id),
    redis.call('HGET', KEY.job .. id, 'attempt'), known[3], known[1], known[4], known[5], known[2], known[6], known[7]}
end

local function claim(queue, id, tag)
  local record = KEY.job .. id
  local known = redis.call('HMGET', record,
    'user', 'deadline', 'failures', 'kind', 'created', 'submission', 'cancel', 'started', 'waiting', 'webhook')
  if not known[1] then return claim_foreign(queue, id, tag) end
  if known[9] then return claim_waiting(queue, id, tag, known) end
  if tonumber(known[2]) <= now then return finish_unstarted(load_record(id), 'expired') end
  local fence = take_lease(queue, id, tag)
  local attempt = redis.call('HINCRBY', record, 'attempt', 1)
  local version = redis.call('HINCRBY', record, 'version', 1)
  redis.call('HSET', record, 'status', 'running', 'fence', fence, 'begun', digits(now))
  if not known[8] then redis.call('HSET', record, 'started', digits(now)) end
  redis.call('SREM', KEY.queued .. known[1], id)
  tell(id, 'status', '{"status":"running","attempt":' .. attempt .. '}')
  tell_webhook(id, known[10], 'running', version)
  claims[#claims + 1] = {id, queue, fence, redis.call('GET', KEY.arq_job .. id), attempt, known[3], known[1], known[4],
    known[5], known[2], known[6], known[7]}
end

local function claim_ready(queue)
  local zset = zset_of(queue)
  while #claims < wanted do
    local ready = redis.call('ZRANGEBYSCORE', zset, '-inf', '(' .. digits(READY_END), 'WITHSCORES',
      'LIMIT', 0, wanted - #claims)
    if #ready == 0 then return end
    for i = 1, #ready, 2 do claim(queue, ready[i], tonumber(ready[i + 1])) end
  end
  if #redis.call('ZRANGEBYSCORE', zset, '-inf', '(' .. digits(READY_END), 'LIMIT', 0, 1) > 0 then ring(queue, 1) end
end

local function note_next_due(queue)
  local first = redis.call('ZRANGEBYSCORE', zset_of(queue), digits(READY_END), '(' .. digits(HELD), 'WITHSCORES',
    'LIMIT', 0, 1)
  if not first[2] then return end
  local wait = math.max(0, tonumber(first[2]) - now)
  if next_due < 0 or wait < next_due then next_due = wait end
end

for i = 5, #ARGV do
  local queue = ARGV[i]
  bring_in_due(queue)
  if redis.call('HGET', KEY.queue .. queue, 'paused') ~= '1' then claim_ready(queue) end
  note_next_due(queue)
end
return {digits(next_due), unpack(claims)}
