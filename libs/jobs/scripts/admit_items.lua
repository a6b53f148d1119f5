-- Make the next items of a batch jobs: as many as there is room for, of those that are given.
--
-- `next` is the fence: whoever gives items that others have admitted meanwhile is told where to go on. The units were
-- reserved with the batch, and go over to the jobs.
-- Needs: clock.lua fair.lua settle.lua outbox.lua enter.lua batch.lua rest.lua
--
-- ARGV  1 batch id   2 index of the first item   3 weight   4 cap   5 jobs of the user that may be queued
--       6 jobs that the queue may hold           7 items of a batch that may be queued
--       8… of each item: job id, payload, units, lane, fairness key or '', metadata or '', needs of the fleet or ''
-- Returns  the outcome, how many were admitted, the next item, how many more there is room for, of how many places
--   "admitted" | "moved": others were faster | "over": none are left to admit

local MEMBERS = 7
local id = ARGV[1]
local batch = load_batch(id)
if not batch then return {'over', 0, 0, 0, 0} end
if batch.next >= batch.items then return {'over', 0, batch.items, 0, 0} end
if batch.next ~= tonumber(ARGV[2]) then return {'moved', 0, batch.next, 0, 0} end
local user, queue = batch.user, batch.queue

-- The batches of a user share the room: one that came first must not fill all of it.
local function places_of_batch()
  local own = math.floor(tonumber(ARGV[5]) / math.max(1, redis.call('SCARD', KEY.batches_open .. user)))
  return math.min(tonumber(ARGV[7]), tonumber(ARGV[6]), math.max(1, own))
end

local function room(places)
  local of_user = redis.call('HGET', KEY.user .. user, 'status')
  if of_user and of_user ~= 'active' then return 0 end
  if redis.call('HGET', KEY.queue .. queue, 'draining') == '1' then return 0 end
  return math.max(0, math.min(
    places - batch['items:queued'],
    tonumber(ARGV[5]) - redis.call('SCARD', KEY.queued .. user),
    tonumber(ARGV[6]) - redis.call('ZCARD', zset_of(queue))))
end

if batch.deadline <= now then
  end_rest(batch, 'expired')
  return {'over', 0, batch.items, 0, 0}
end
local places = places_of_batch()
local free = room(places)
local wanted = math.min((#ARGV - 7) / MEMBERS, batch.items - batch.next, free)
if wanted == 0 then return {'admitted', 0, batch.next, free, places} end
local told = redis.call('HMGET', KEY.batch .. id, 'key', 'priority', 'retention', 'url_ttl', 'traceparent')
local priority = tonumber(told[2]) or 0

local function admit(index, job_id, payload, units, lane, fairness_key, metadata, needs)
  local members = {'key', told[1], 'retention', told[3], 'url_ttl', told[4], 'batch', id, 'item', index}
  local function also(name, value)
    members[#members + 1], members[#members + 2] = name, value
  end
  if fairness_key ~= '' then also('fairness_key', fairness_key) end
  if metadata ~= '' then also('metadata', metadata) end
  if needs ~= '' then also('needs', needs) end
  if told[5] then also('traceparent', told[5]) end
  enter({
    id = job_id, user = user, queue = queue, kind = batch.kind, units = units, priority = priority, lane = lane,
    deadline = batch.deadline, run_at = 0, payload = payload, members = members,
  }, batch.day)
end

local units = 0
for i = 0, wanted - 1 do
  local at = 8 + i * MEMBERS
  admit(batch.next + i, unpack(ARGV, at, at + MEMBERS - 1))
  units = units + tonumber(ARGV[at + 2])
end
set_share(user, queue, ARGV[3], ARGV[4])
redis.call('HINCRBY', KEY.batch .. id, 'items:queued', wanted)
redis.call('HINCRBY', KEY.batch .. id, 'units_left', -units)
local next_item = redis.call('HINCRBY', KEY.batch .. id, 'next', wanted)
promote(user, queue)
return {'admitted', wanted, next_item, free - wanted, places}
