-- Claim up to n ready jobs for a worker, payloads and all; first bring in what has come due.
--
-- A claim re-scores the job to the end of its lease: it leaves the head of the queue, and comes due by itself when its
-- worker dies. The fence (`<worker>:<claim number>`) is what every later write of this attempt must show.
-- Needs: clock.lua fair.lua slots.lua settle.lua tell.lua gate.lua batch.lua ending.lua due.lua silence.lua alone.lua
-- servers.lua
--
-- ARGV  1 worker   2 lease, ms   3 n   4 how many jobs it runs
--       5 '1' for a newcomer, who has not been heard yet
--       6 '1' when the reply to its last claim was lost   7 then: the ids of the jobs it runs
--       8 the fleet's servers that it reaches, as "name:slots …"   9… queues, most urgent first
-- Returns  {ms until something comes due (-1: nothing), '1' while it makes room or '', claim, …}
--   claim  {id, queue, fence, payload, attempt, failures, user, kind, created, deadline, submission, canceled?, alone?,
--           server?, out of memory?}
--          a foreign job has no more than {id, queue, fence, payload, alone?, given up?}

local DUE_MAX, LEASED_MAX = 100, 10000
local FOREIGN_KEPT_S = 86400 -- as long as ARQ keeps the tries of a job
local worker, lease, wanted, running = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local newcomer, missed, held = ARGV[5] == '1', ARGV[6] == '1', ARGV[7]
local makes_room = false
local claims = {}
local next_due = -1
local gates = {}

local function read_queue(queue)
  local known = redis.call('HMGET', KEY.queue .. queue, 'paused', 'heard', 'spare_until', 'alone')
  local heard = note_step(queue, tonumber(known[2]) or (missed and 0 or now))
  local spared = not newcomer and note_silence(queue, heard, lease) or tonumber(known[3]) or 0
  if not still(spared, SPARE_MAX_MS) then spared = 0 end
  all_spared_until = math.max(all_spared_until, spared)
  return {name = queue, paused = known[1] == '1', spare_until = spared, alone = known[4]}
end

local function take_lease(queue, id, tag)
  local fence = worker .. ':' .. redis.call('HINCRBY', KEY.queue .. queue, 'claims', 1)
  if tag > virtual_time(queue) then redis.call('HSET', KEY.queue .. queue, 'virtual', digits(tag)) end
  redis.call('ZADD', zset_of(queue), digits(now + lease), id)
  redis.call('SET', KEY.arq_running .. id, fence, 'PX', lease)
  return fence
end

-- A foreign job has no record to count crashes in: each claim counts until an ending forgets it. One that was lost too
-- often is claimed once more, to be buried.
local function claim_foreign(queue, id, tag, alone, crashes)
  local fence = take_lease(queue, id, tag)
  redis.call('SET', KEY.foreign .. id, crashes + 1, 'EX', FOREIGN_KEPT_S)
  claims[#claims + 1] = {id, queue, fence, redis.call('GET', KEY.arq_job .. id), alone and '1' or false,
    crashes >= CRASHES_MAX and '1' or false}
end

local function hand_over(queue, id, fence, attempt, known, alone)
  claims[#claims + 1] = {id, queue, fence, redis.call('GET', KEY.arq_job .. id), attempt, known[3], known[1], known[4],
    known[5], known[2], known[6], known[7], alone and '1' or false, known[14], known[16]}
end

local function read_job(id)
  return redis.call('HMGET', KEY.job .. id, 'user', 'deadline', 'failures', 'kind', 'created', 'submission', 'cancel',
    'started', 'waiting', 'webhook', 'crashes', 'batch', 'needs', 'server', 'avoid', 'out_of_memory')
end

-- A claim whose reply was lost with the connection: the worker has the job, and never heard of it.
local function hand_over_again(queue)
  local zset = zset_of(queue)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', zset, digits(READY_END), digits(now + lease), 'LIMIT', 0, LEASED_MAX)) do
    local record = redis.call('HMGET', KEY.job .. id, 'fence', 'attempt')
    local mine = record[1] and string.sub(record[1], 1, #worker + 1) == worker .. ':'
    if mine and #claims < wanted and not string.find(held, id, 1, true) then
      local known = read_job(id)
      redis.call('ZADD', zset, digits(now + lease), id)
      redis.call('SET', KEY.arq_running .. id, record[1], 'PX', lease)
      hand_over(queue, id, record[1], record[2], known, runs_alone(known[11]))
    end
  end
end

local function bring_in_due(queue)
  local due = redis.call('ZRANGEBYSCORE', zset_of(queue.name), digits(READY_END), digits(now), 'LIMIT', 0, DUE_MAX)
  for _, id in ipairs(due) do come_due(queue.name, id, queue.spare_until) end
end

local function come_back_at(at)
  local wait = math.max(0, at - now)
  if next_due < 0 or wait < next_due then next_due = wait end
end

-- Whether the backend of this kind takes one more; what it says is asked once a run and counted down.
local function passes_gate(kind, id)
  if gates[kind] == nil then gates[kind] = gate_of(kind) or false end
  local gate = gates[kind]
  if not gate then return true end
  if gate.room <= 0 then
    if gate.shut_until > now then come_back_at(gate.shut_until) end
    return false
  end
  gate.room = gate.room - 1
  redis.call('SADD', KEY.gate_desk .. kind, id)
  return true
end

-- A job whose provider is to be asked goes on with the attempt it has: only the fence is new.
local function claim_waiting(queue, id, tag, known, alone)
  local fence = take_lease(queue, id, tag)
  redis.call('HSET', KEY.job .. id, 'fence', fence, 'begun', digits(now))
  redis.call('HDEL', KEY.job .. id, 'waiting', 'woken')
  hand_over(queue, id, fence, redis.call('HGET', KEY.job .. id, 'attempt'), known, alone)
end

local function start_attempt(queue, id, tag, known, alone)
  local record = KEY.job .. id
  local fence = take_lease(queue, id, tag)
  local attempt = redis.call('HINCRBY', record, 'attempt', 1)
  local version = redis.call('HINCRBY', record, 'version', 1)
  redis.call('HSET', record, 'status', 'running', 'fence', fence, 'begun', digits(now))
  if not known[8] then redis.call('HSET', record, 'started', digits(now)) end
  redis.call('SREM', KEY.queued .. known[1], id)
  count_item({batch = known[12], status = 'queued'}, 'running')
  announce(id, 'status', '{"status":"running","attempt":' .. attempt .. '}', version)
  tell_webhook({id = id, user = known[1], webhook = known[10]}, 'running', version)
  hand_over(queue, id, fence, attempt, known, alone)
end

-- Find a job the server that it needs. Returns false when none can take it now, else what takes the slot there. A job
-- that was canceled goes where its prompt is, to end it: that takes no slot.
local function find_place(id, known)
  local job = {needs = known[13], server = known[14], avoid = known[15], submission = known[6]}
  if not job.needs then return function() end end
  local server
  if known[7] then
    server = server_named[read_submission(job.submission).backend]
  else
    server = choose_server(id, job)
    if not server then return false end
  end
  known[14] = server and server.name or false
  return function()
    if not known[7] then take_server_slot(id, job, server, lease) end
  end
end

-- Returns false when the job was left where it is: no server can take it, its gate is closed, or it has to run alone and
-- this worker has company for it.
local function claim(queue, id, tag)
  local known = read_job(id)
  local foreign = not known[1]
  if not foreign and not known[9] and tonumber(known[2]) <= now then
    return finish_unstarted(load_record(id), 'expired')
  end
  local take_place = find_place(id, known)
  if not take_place then return false end
  local crashes = tonumber(foreign and redis.call('GET', KEY.foreign .. id) or known[11]) or 0
  local alone = crashes < CRASHES_MAX and runs_alone(crashes)
  if alone and running + #claims > 0 then
    makes_room = promise_room(queue, worker, id)
    if makes_room then wanted = #claims end
    return false
  end
  if not foreign and not known[9] and not passes_gate(known[4], id) then return false end
  if alone then wanted = 1 end
  if foreign then return claim_foreign(queue, id, tag, alone, crashes) end
  take_place()
  local begin = known[9] and claim_waiting or start_attempt
  begin(queue, id, tag, known, alone)
end

local function claim_ready(queue)
  local zset, passed = zset_of(queue), 0
  while #claims < wanted and passed < LOOK_MAX do
    local ready = redis.call('ZRANGEBYSCORE', zset, '-inf', '(' .. digits(READY_END), 'WITHSCORES',
      'LIMIT', passed, wanted - #claims + passed)
    if #ready == 0 then return end
    for i = 1, #ready, 2 do
      local looks = #claims < wanted and passed < LOOK_MAX
      if looks and claim(queue, ready[i], tonumber(ready[i + 1])) == false then passed = passed + 1 end
    end
  end
  if passed >= LOOK_MAX then return end -- ringing now would wake everyone to look at the same jobs again
  if #redis.call('ZRANGEBYSCORE', zset, '-inf', '(' .. digits(READY_END), 'LIMIT', passed, 1) > 0 then ring(queue, 1) end
end

-- Take the job that this worker made room for, or go on making room.
local function keep_promise(queue)
  local id, tag = promised_job(queue.name, queue.alone, worker)
  if not id then return end
  makes_room = running > 0
  if makes_room then
    promise_room(queue.name, worker, id)
  else
    redis.call('HDEL', KEY.queue .. queue.name, 'alone')
    claim(queue.name, id, tag)
  end
  wanted = #claims
end

local function note_next_due(queue)
  local first = redis.call('ZRANGEBYSCORE', zset_of(queue), digits(READY_END), '(' .. digits(HELD), 'WITHSCORES',
    'LIMIT', 0, 1)
  if first[2] then come_back_at(tonumber(first[2])) end
end

local queues = {}
for i = 9, #ARGV do
  local queue = read_queue(ARGV[i])
  queues[#queues + 1] = queue
  if missed then hand_over_again(queue.name) end
  bring_in_due(queue)
  if queue.alone and not queue.paused then keep_promise(queue) end
end
for _, queue in ipairs(queues) do
  if not queue.paused then claim_ready(queue.name) end
  note_next_due(queue.name)
end
return {digits(next_due), makes_room and '1' or '', unpack(claims)}
