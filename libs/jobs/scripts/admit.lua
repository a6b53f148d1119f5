-- Admit one job, or say why not.
--
-- All that can refuse is read first; the first write comes after the last check. So a refusal costs the caller
-- nothing, and there is no half-admitted job.
--
-- A job whose result is known is never queued: it is over at once and costs no unit. Its artifacts must be copies of
-- its own, so where there are any it is first asked for them.
-- Needs: clock.lua rate.lua credential.lua fair.lua settle.lua stored.lua record_bytes.lua judge.lua outbox.lua enter.lua tell.lua
--        result.lua conclude.lua known.lua
--
-- ARGV  1 job id         2 user            3 digest of the api key   4 queue         5 kind
--       6 payload        7 units           8 priority                9 lane         10 deadline, ms from when it may run
--      11 run at, ms since the epoch, or 0                          12 idempotency digest or ''
--      13 fingerprint   14 submits a window, 0 = no limit           15 window, µs   16 attempts for each submit
--      17 attempts that were not counted yet                       18 units a day, -1 = no limit
--      19 queued at most                   20 jobs in the queue at most             21 weight        22 cap
--      23 digest to look a known result up by, or ''
--      24 id of the job whose artifacts were copied, or ''          25 the copies, JSON
--      26 bytes of the copies                                       27 bytes that the user may store, -1 = no limit
--      28 bytes that the user's records may have, -1 = no limit
--      29… further members of the record: name, value, …
-- Returns  the outcome, then: now (ms)  submits left  µs until that bucket is full  its limit
--          units of today, held and used
--   {"admitted", …, seq}
--   {"known", …, output}                       the job is over: the output is as JSON, or nil
--   {"copies_wanted", …, job id, artifacts}    nothing is written: copy them and ask again
--   {"replayed", …, job id of the first submission}
--   or the code of a Refusal: {"invalid_token"} {"idempotency_key_reused", …} {"rate_limited", …, µs to wait, bucket}
--   {"queue_limit", …} {"quota_exceeded", …} {"storage_exceeded", …} {"records_exceeded", …} {"draining", …}
--   {"queue_full", …, jobs queued, jobs drained a second}

local job = {
  id = ARGV[1], user = ARGV[2], queue = ARGV[4], kind = ARGV[5], payload = ARGV[6], units = tonumber(ARGV[7]),
  priority = tonumber(ARGV[8]), lane = ARGV[9], run_at = tonumber(ARGV[11]),
  idempotency = ARGV[12] ~= '' and ARGV[12], members = {unpack(ARGV, 29)},
}
job.bytes = ordered_bytes(job.payload, job.members)
job.deadline = math.max(now, job.run_at) + tonumber(ARGV[10])
local ask = {
  user = job.user, digest = ARGV[3], queue = job.queue, units = job.units,
  memory = job.idempotency and KEY.idempotency .. job.user .. ':' .. job.idempotency, fingerprint = ARGV[13],
  limit = tonumber(ARGV[14]), window_us = tonumber(ARGV[15]), tries_a_submit = tonumber(ARGV[16]),
  tried = tonumber(ARGV[17]), quota = tonumber(ARGV[18]), queue_max = tonumber(ARGV[20]), stored_max = tonumber(ARGV[27]),
  records_max = tonumber(ARGV[28]), bytes = job.bytes,
}

local refused = judge_request(ask)
if refused then return refused end
local known = ARGV[23] ~= '' and job.run_at <= now and find_result(ARGV[23])
if known then
  if known.artifacts and known.id ~= ARGV[24] then return answer(ask, 'copies_wanted', known.id, known.artifacts) end
else
  refused = judge_room(ask, redis.call('SCARD', KEY.queued .. job.user) >= tonumber(ARGV[19]))
  if refused then return refused end
end

if ask.memory then redis.call('SET', ask.memory, ask.fingerprint .. ' ' .. job.id) end
if known then
  record_known(job, known, ARGV[25], ARGV[26])
  count_bytes(job.user, job.bytes)
  spend_submit(ask)
  return answer(ask, 'known', known.output or false)
end
set_share(job.user, job.queue, ARGV[21], ARGV[22])
local seq = enter(job, reserve_units(job.user, job.id, job.units))
ask.today = ask.today and ask.today + job.units
count_bytes(job.user, job.bytes)
if job.run_at <= now then promote(job.user, job.queue) end
spend_submit(ask)
return answer(ask, 'admitted', seq)
