-- Admit the jobs of a comparison, all of them or none, or say why not. It counts as one submission.
-- Needs: clock.lua rate.lua credential.lua fair.lua settle.lua stored.lua record_bytes.lua judge.lua outbox.lua enter.lua
--
-- ARGV  1 comparison id   2 user            3 digest of the api key   4 queue         5 kind
--       6 variants, JSON  7 units of all    8 priority                9 lane         10 deadline, ms from now
--      11 jobs            12 idempotency digest or ''                13 fingerprint  14 submits a window, 0 = no limit
--      15 window, µs      16 attempts for each submit                17 attempts that were not counted yet
--      18 units a day, -1 = no limit        19 queued at most
--      20 jobs in the queue at most         21 weight                22 cap
--      23 how long the comparison is kept, ms                       24 bytes that the user may store, -1 = no limit
--      25 bytes that the user's records may have, -1 = no limit      26 comparisons of the user that may be kept
--      27… of each job: id, payload, units, what it needs of the fleet or ''
--      then further members of each record: name, value, …
-- Returns  as admit.lua: {"admitted", …} | {"replayed", …, comparison id of the first submission} | a refusal

local JOB_MEMBERS, FIRST = 4, 27
local id, user, queue, jobs = ARGV[1], ARGV[2], ARGV[4], tonumber(ARGV[11])
local idempotency = ARGV[12] ~= '' and ARGV[12]
local ask = {
  user = user, digest = ARGV[3], queue = queue, units = tonumber(ARGV[7]),
  memory = idempotency and KEY.idempotency .. user .. ':' .. idempotency, fingerprint = ARGV[13],
  limit = tonumber(ARGV[14]), window_us = tonumber(ARGV[15]), tries_a_submit = tonumber(ARGV[16]),
  tried = tonumber(ARGV[17]), quota = tonumber(ARGV[18]), queue_max = tonumber(ARGV[20]) - (jobs - 1),
  stored_max = tonumber(ARGV[24]), records_max = tonumber(ARGV[25]), bytes = 0,
}
local members = {unpack(ARGV, FIRST + jobs * JOB_MEMBERS)}
for i = 0, jobs - 1 do ask.bytes = ask.bytes + ordered_bytes(ARGV[FIRST + i * JOB_MEMBERS + 1], members) end

-- Those whose record has expired leave the list by the way, the oldest first.
local function too_many_kept(most)
  local kept = KEY.comparisons .. user
  if redis.call('ZCARD', kept) < most then return false end
  for _, one in ipairs(redis.call('ZRANGE', kept, 0, 99)) do
    if redis.call('EXISTS', KEY.comparison .. one) == 0 then redis.call('ZREM', kept, one) end
  end
  return redis.call('ZCARD', kept) >= most
end

local refused = judge_request(ask)
  or judge_room(ask, redis.call('SCARD', KEY.queued .. user) + jobs > tonumber(ARGV[19]))
if refused then return refused end
if too_many_kept(tonumber(ARGV[26])) then return answer(ask, 'records_exceeded') end

if ask.memory then redis.call('SET', ask.memory, ask.fingerprint .. ' ' .. id) end
redis.call('HSET', KEY.comparison .. id, 'user', user, 'kind', ARGV[5], 'created', digits(now), 'variants', ARGV[6])
redis.call('PEXPIRE', KEY.comparison .. id, ARGV[23])
redis.call('ZADD', KEY.comparisons .. user, 0, id)
set_share(user, queue, ARGV[21], ARGV[22])
for i = 0, jobs - 1 do
  local at = FIRST + i * JOB_MEMBERS
  local job_id, units = ARGV[at], tonumber(ARGV[at + 2])
  local own = {unpack(members)}
  if ARGV[at + 3] ~= '' then own[#own + 1], own[#own + 2] = 'needs', ARGV[at + 3] end
  enter({
    id = job_id, user = user, queue = queue, kind = ARGV[5], units = units, priority = tonumber(ARGV[8]), lane = ARGV[9],
    deadline = now + tonumber(ARGV[10]), run_at = 0, payload = ARGV[at + 1], idempotency = idempotency,
    members = own, bytes = ordered_bytes(ARGV[at + 1], members),
  }, reserve_units(user, job_id, units))
end
count_bytes(user, ask.bytes)
ask.today = ask.today and ask.today + ask.units
promote(user, queue)
spend_submit(ask)
return answer(ask, 'admitted')
