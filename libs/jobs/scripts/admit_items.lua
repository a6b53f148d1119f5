-- Make the next items of a batch jobs: as many as there is room for, of those that are given.
--
-- `next` is the fence: whoever gives items that others have admitted meanwhile is told where to go on. The units were
-- reserved with the batch, and go over to the jobs.
--
-- An item whose result is known is never queued: its job is over at once, and its units come back. As in admit.lua its
-- artifacts must be copies of its own: they are asked for before anything is written. A user who may store no more is
-- given none, and the item is worked on.
-- Needs: clock.lua fair.lua settle.lua stored.lua record_bytes.lua outbox.lua enter.lua tell.lua result.lua
--        conclude.lua known.lua batch.lua turns.lua rest.lua
--
-- ARGV  1 batch id   2 turn of the first item   3 weight   4 cap   5 jobs of the user that may be queued
--       6 jobs that the queue may hold           7 items of a batch that may be queued
--       8 bytes that the user may store, -1 = no limit
--       9 copies that were made, '' or JSON: {job id: [id of the job whose artifacts were copied, the copies, bytes]}
--      10 '1' to be asked for copies, '' to have worked on what lacks them
--      11… of the item of each turn: job id, payload, units, lane, fairness key or '', metadata or '', needs of the fleet or '',
--          digest to look a known result up by or ''
-- Returns  the outcome, how many were admitted, the next item, how many more there is room for, of how many places,
--          of how many a result was looked up, and known
--   "admitted" | "moved": others were faster | "over": none are left to admit
--   "copies_wanted", …, now (ms), then of each: job id, id of the job that has the result, its artifacts. Nothing is
--   written: copy them and ask again

local MEMBERS, FIRST, DIGEST = 8, 11, 7

local function none(outcome, next_item)
  return {outcome, 0, next_item, 0, 0, 0, 0}
end

local id = ARGV[1]
local batch = load_batch(id)
if not batch then return none('over', 0) end
if batch.next >= batch.items then return none('over', batch.items) end
if batch.next ~= tonumber(ARGV[2]) then return none('moved', batch.next) end
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
  return none('over', batch.items)
end
local places = places_of_batch()
local free = room(places)
local wanted = math.min((#ARGV - FIRST + 1) / MEMBERS, batch.items - batch.next, free)
if wanted == 0 then return {'admitted', 0, batch.next, free, places, 0, 0} end

-- Known results by item, how many were looked up, and the copies that are missing.
local function look_up()
  local copies = ARGV[9] ~= '' and cjson.decode(ARGV[9]) or {}
  local stored_max, stored = tonumber(ARGV[8]), nil
  local results, sought, missing = {}, 0, {}
  local function may_store(bytes)
    if stored_max < 0 then return true end
    stored = stored or stored_bytes(user)
    if stored >= stored_max then return false end
    stored = stored + bytes
    return true
  end
  for i = 0, wanted - 1 do
    local at = FIRST + i * MEMBERS
    local digest = ARGV[at + DIGEST]
    local known = digest ~= '' and find_result(digest)
    if digest ~= '' then sought = sought + 1 end
    if known and known.artifacts then
      known.copies = copies[ARGV[at]]
      if not may_store(known.stored) then
        known = nil
      elseif not known.copies or known.copies[1] ~= known.id then
        for _, word in ipairs({ARGV[at], known.id, known.artifacts}) do missing[#missing + 1] = word end
        known = nil
      end
    end
    results[i] = known
  end
  return results, sought, missing
end

local results, sought, missing = look_up()
if ARGV[10] == '1' and #missing > 0 then
  return {'copies_wanted', 0, batch.next, free, places, sought, 0, digits(now), unpack(missing)}
end
local told = redis.call('HMGET', KEY.batch .. id, 'key', 'priority', 'retention', 'url_ttl', 'traceparent')
local priority = tonumber(told[2]) or 0

local function new_job(index, job_id, payload, units, lane, fairness_key, metadata, needs, digest)
  local members = {'key', told[1], 'retention', told[3], 'url_ttl', told[4], 'batch', id, 'item', digits(index)}
  local function also(name, value)
    members[#members + 1], members[#members + 2] = name, value
  end
  if fairness_key ~= '' then also('fairness_key', fairness_key) end
  if metadata ~= '' then also('metadata', metadata) end
  if needs ~= '' then also('needs', needs) end
  if digest ~= '' then also('result', digest) end
  if told[5] then also('traceparent', told[5]) end
  return {
    id = job_id, user = user, queue = queue, kind = batch.kind, units = units, priority = priority, lane = lane,
    deadline = batch.deadline, run_at = 0, payload = payload, members = members,
    bytes = ordered_bytes(payload, members),
  }
end

local known, ended = 0, {}

local function conclude_known(job, result, index)
  record_known(job, result, result.copies and result.copies[2], result.copies and result.copies[3])
  settle_units('refund', user, job.id, batch.day, tonumber(job.units), batch.kind)
  local block = math.floor(index / batch.block_items)
  known, ended[block] = known + 1, (ended[block] or 0) + 1
end

local units, bytes, indices = 0, 0, items_of_turns(batch, batch.next, wanted)
for i = 0, wanted - 1 do
  local at, index = FIRST + i * MEMBERS, indices[i + 1]
  local job = new_job(index, unpack(ARGV, at, at + MEMBERS - 1))
  if results[i] then conclude_known(job, results[i], index) else enter(job, batch.day) end
  units, bytes = units + tonumber(job.units), bytes + job.bytes
end
-- Their part of what was counted with the batch is counted with them from now on.
local part = math.floor(batch.items_bytes * wanted / (batch.items - batch.next))
count_bytes(user, bytes - part)
if part > 0 then redis.call('HINCRBY', KEY.batch .. id, 'items_bytes', -part) end
set_share(user, queue, ARGV[3], ARGV[4])
redis.call('HINCRBY', KEY.batch .. id, 'items:queued', wanted - known)
redis.call('HINCRBY', KEY.batch .. id, 'units_left', -units)
local next_item = redis.call('HINCRBY', KEY.batch .. id, 'next', wanted)
if known > 0 then
  redis.call('HINCRBY', KEY.batch .. id, 'items:succeeded', known)
  for block, items in pairs(ended) do count_ended(user, id, block, items) end
end
promote(user, queue)
return {'admitted', wanted, next_item, free - (wanted - known), places, sought, known}
