-- Fair shares of a queue: start-time fair queueing (Goyal, Vin, Cheng 1996) inside ARQ's own ZSET.
--
-- The ZSET of a queue has three bands of score:
--   below READY_END       ready, by virtual start tag: the lowest is claimed next
--   READY_END to HELD     a real time in ms: a scheduled job, a deferred retry, the lease of a running job
--   from HELD             held: in its user's own list; the rest of the score is the job's deadline in ms
--
-- A user's jobs wait in lanes, one for each fairness key, by (priority, sequence). They are promoted to ready
-- while the user has fewer than `cap` jobs open (ready or running), and get their tag only then: late, so that
-- canceled work is never charged and a changed weight acts at once.
-- Virtual time is in slot-seconds. A promotion charges the user's usual job, the ending corrects it to what was used.
-- Needs: clock.lua

local READY_END = 1e12
local HELD = 8e15
local NEVER = 9e14 -- stands for the deadline of a job that has started: it waits at its provider
local PRIORITY = 1e12 -- one step of priority outweighs every sequence number and every lane tag
local RESUMES = 11 -- the priority of a job that holds a server's slot: nobody else can use that slot
local BELL_MAX, RING_MAX = 64, 8
local STEP = 1e-6 -- slot-seconds: the least that two tags of a user differ by

local function zset_of(queue)
  if queue == 'default' then return KEY.arq_queue end
  return KEY.arq_queue .. ':' .. queue
end

-- Wake up to n workers that have a free slot.
local function ring(queue, n)
  local tokens = {}
  for i = 1, math.min(n, RING_MAX) do tokens[i] = '1' end
  if redis.call('LPUSH', KEY.bell .. queue, unpack(tokens)) > BELL_MAX then
    redis.call('LTRIM', KEY.bell .. queue, 0, BELL_MAX - 1)
  end
end

local function virtual_time(queue)
  return tonumber(redis.call('HGET', KEY.queue .. queue, 'virtual')) or 1
end

-- Split a score of the form tag - priority * PRIORITY.
local function split(composite)
  local steps = math.floor(composite / PRIORITY)
  return -steps, composite - steps * PRIORITY
end

-- Give a lane its place among its user's lanes: by the priority of its first job, then by its tag.
local function place_lane(share, lane, tag)
  local head = redis.call('ZRANGE', KEY.lane .. share .. ':' .. lane, 0, 0, 'WITHSCORES')
  if not head[1] then
    redis.call('ZREM', KEY.lanes .. share, lane)
    return
  end
  local priority = split(tonumber(head[2]))
  redis.call('ZADD', KEY.lanes .. share, digits(tag - priority * PRIORITY), lane)
end

local function lane_tag(share, lane)
  local composite = redis.call('ZSCORE', KEY.lanes .. share, lane)
  if composite then
    local _, tag = split(tonumber(composite))
    return tag
  end
  -- A lane that was empty joins at the end of the round: one whose jobs trickle in must not pass a full one each time.
  local known = redis.call('HMGET', KEY.share .. share, 'lane_virtual', 'size')
  return (tonumber(known[1]) or 0) + (tonumber(known[2]) or 1)
end

-- Put a job into its user's lane. `job` is a table: id, user, queue, lane, priority, seq, deadline, waiting, server.
local function hold(job)
  local share = job.user .. ':' .. job.queue
  redis.call('ZADD', zset_of(job.queue), digits(HELD + (job.waiting and NEVER or job.deadline)), job.id)
  local lane = KEY.lane .. share .. ':' .. job.lane
  redis.call('ZADD', lane, digits(job.seq - (job.server and RESUMES or job.priority) * PRIORITY), job.id)
  place_lane(share, job.lane, lane_tag(share, job.lane))
end

-- Take a job out of its lane; true when it was there.
local function unhold(job)
  local share = job.user .. ':' .. job.queue
  if redis.call('ZREM', KEY.lane .. share .. ':' .. job.lane, job.id) == 0 then return false end
  place_lane(share, job.lane, lane_tag(share, job.lane))
  return true
end

-- Take the next held job of a user: the id, or nil.
local function next_held(share, size)
  local first = redis.call('ZRANGE', KEY.lanes .. share, 0, 0, 'WITHSCORES')
  if not first[1] then return nil end
  local lane, _, tag = first[1], split(tonumber(first[2]))
  local popped = redis.call('ZPOPMIN', KEY.lane .. share .. ':' .. lane)
  place_lane(share, lane, tag + size)
  redis.call('HSET', KEY.share .. share, 'lane_virtual', digits(tag))
  return popped[1]
end

-- Promote a user's held jobs to ready while there is room under the cap.
local function promote(user, queue)
  local share = user .. ':' .. queue
  if redis.call('EXISTS', KEY.lanes .. share) == 0 then return end
  local known = redis.call('HMGET', KEY.share .. share, 'weight', 'cap', 'finish', 'size', 'last')
  local weight, cap = tonumber(known[1]) or 1, tonumber(known[2]) or 1
  local finish, last = tonumber(known[3]) or 0, tonumber(known[5]) or 0
  local open = redis.call('SCARD', KEY.open .. share)
  local room = cap - open
  local of_queue = redis.call('HMGET', KEY.queue .. queue, 'virtual', 'size')
  local virtual, promoted = tonumber(of_queue[1]) or 1, 0
  -- Whoever is new is taken for a usual user of the queue: too small a guess would let all their first jobs go first.
  local size = tonumber(known[4]) or tonumber(of_queue[2]) or 1
  -- A corrected charge may lie before a tag given out already; a user's own jobs still go in their order.
  if open > 0 then finish = math.max(finish, last + STEP) end
  while promoted < room do
    local id = next_held(share, size)
    if not id then break end
    local start = math.max(virtual, finish)
    finish = start + size / weight
    redis.call('SADD', KEY.open .. share, id)
    redis.call('ZADD', zset_of(queue), digits(start), id)
    redis.call('HSET', KEY.job .. id, 'size', digits(size))
    promoted = promoted + 1
  end
  if promoted > 0 then
    redis.call('HSET', KEY.share .. share, 'finish', digits(finish), 'last', digits(finish - size / weight))
    ring(queue, promoted)
  end
end

-- A mean that forgets: of the jobs' slot-seconds, a user's or a queue's.
local function averaged(size, used)
  return (size or used) * 0.8 + math.max(used, 0.001) * 0.2
end

-- Correct a user's virtual finish time by what a job really used: nil when it left before it ran.
-- `charged` was taken at promotion.
local function charge(user, queue, charged, used)
  local share = user .. ':' .. queue
  local known = redis.call('HMGET', KEY.share .. share, 'weight', 'finish', 'size')
  local weight, finish = tonumber(known[1]) or 1, tonumber(known[2]) or 0
  finish = finish + ((used or 0) - charged) / weight
  -- Debt is bounded: who leaves the queue owes at most one job, or ten minutes of work on an idle machine
  -- would be paid for later, behind somebody else's flood.
  if redis.call('EXISTS', KEY.open .. share, KEY.lanes .. share) == 0 then
    finish = math.min(finish, virtual_time(queue) + (used or 0) / weight)
  end
  local size = used and averaged(tonumber(known[3]), used) or known[3]
  if size then
    redis.call('HSET', KEY.share .. share, 'finish', digits(finish), 'size', digits(size))
  else
    redis.call('HSET', KEY.share .. share, 'finish', digits(finish))
  end
end

