-- Admit a batch, or say why not: the units of all its items are reserved in one step, or none are.
--
-- Its items lie in the object store already, under a name that a worker looks after (see batches_due). They become jobs
-- later, in chunks: admit_items.lua.
-- Needs: clock.lua rate.lua credential.lua fair.lua settle.lua stored.lua record_bytes.lua judge.lua batch.lua
--
-- ARGV  1 batch id       2 user           3 digest of the api key   4 queue         5 kind
--       6 items          7 units of all   8 deadline, ms from now   9 idempotency digest or ''
--      10 fingerprint   11 submits a window, 0 = no limit          12 window, µs   13 attempts for each submit
--      14 attempts that were not counted yet                       15 units a day, -1 = no limit
--      16 unfinished batches of the user at most                   17 jobs in the queue at most
--      18 '1' to look only: what would be refused is, and nothing is written
--      19 bytes that the user may store, -1 = no limit             20 bytes that the user's records may have, -1 = no limit
--      21 bytes of all items                                       22… further members of the record: name, value, …
-- Returns  the outcome, then: now (ms)  submits left  µs until that bucket is full  its limit
--          units of today, held and used
--   {"admitted" | "clear", …} | {"replayed", …, batch id of the first submission}
--   or the code of a Refusal: {"invalid_token"} {"idempotency_key_reused", …, id} {"rate_limited", …, µs to wait, bucket}
--   {"queue_limit", …} {"quota_exceeded", …} {"storage_exceeded", …} {"records_exceeded", …} {"draining", …}
--   {"queue_full", …, jobs queued, jobs drained a second}
--   {"lapsed"} when its items were given up meanwhile

local id, user, queue, kind = ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local items, units, deadline = tonumber(ARGV[6]), tonumber(ARGV[7]), now + tonumber(ARGV[8])
local only_look = ARGV[18] == '1'
local ask = {
  user = user, digest = ARGV[3], queue = queue, units = units,
  memory = ARGV[9] ~= '' and KEY.idempotency .. user .. ':' .. ARGV[9], fingerprint = ARGV[10],
  limit = tonumber(ARGV[11]), window_us = tonumber(ARGV[12]), tries_a_submit = tonumber(ARGV[13]),
  tried = tonumber(ARGV[14]), quota = tonumber(ARGV[15]), queue_max = tonumber(ARGV[17]), stored_max = tonumber(ARGV[19]),
  records_max = tonumber(ARGV[20]),
}
local members, items_bytes = {unpack(ARGV, 22)}, tonumber(ARGV[21])
ask.bytes = bytes_of(members) + items_bytes

local refused = judge_request(ask)
  or judge_room(ask, redis.call('SCARD', KEY.batches_open .. user) >= tonumber(ARGV[16]))
if refused then return refused end
if only_look then return answer(ask, 'clear') end
if not redis.call('ZSCORE', KEY.batches_due, due_member(user, id)) then return {'lapsed'} end

local day = reserve_units(user, id, units)
redis.call('HSET', KEY.batch .. id,
  'user', user, 'queue', queue, 'kind', kind, 'status', 'running', 'items', items, 'left', items, 'next', 0,
  'units', units, 'units_left', units, 'day', day, 'created', digits(now), 'deadline', digits(deadline),
  'bytes', ask.bytes - items_bytes, 'items_bytes', items_bytes, unpack(members))
count_bytes(user, ask.bytes)
ask.today = ask.today and ask.today + units
if redis.call('PERSIST', KEY.batch_turns .. id) == 1 then redis.call('HSET', KEY.batch .. id, 'turns', 1) end
if ask.memory then
  redis.call('SET', ask.memory, ask.fingerprint .. ' ' .. id)
  redis.call('HSET', KEY.batch .. id, 'idempotency', ARGV[9])
end
redis.call('ZADD', KEY.batches .. user, 0, id)
redis.call('SADD', KEY.batches_open .. user, id)
look_now(user, id)
spend_submit(ask)
return answer(ask, 'admitted')
