-- What every admission asks before it writes anything, in this order, whether it is for one job or for many.
--
-- `ask` is a table: user, digest (of the api key), queue, units (of all), memory (key of the idempotency memory, or
-- false), fingerprint, limit (submits a window, 0 = no limit), window_us, tries_a_submit (attempts that a user has for
-- each submit), tried (attempts before this one that came to nothing and were not counted yet), quota (units a day,
-- -1 = no limit), queue_max (jobs in the queue), stored_max (bytes that the user may store, -1 = no limit), records_max
-- (bytes that the user's records may have, -1 = no limit), bytes (of the records that are asked for).
-- Needs: clock.lua rate.lua credential.lua fair.lua settle.lua stored.lua record_bytes.lua

-- Units of today, held and used, read once: whoever reserves some adds them to `ask.today`.
local function units_of_today(ask)
  ask.today = ask.today or today_units(ask.user)
  return ask.today
end

-- What an admission says: the outcome, now (ms), submits left, µs until that bucket is full, its limit, units of today
-- held and used, and what differs by outcome.
local function answer(ask, outcome, ...)
  local left, until_full, of = 0, 0, 0
  if ask.limit > 0 then left, until_full, of = tightest(ask.buckets, ask.window_us) end
  return {outcome, digits(now), left, digits(until_full), of, units_of_today(ask), ...}
end

-- The submission takes its token, and attempts that came to nothing before it are counted.
local function spend_submit(ask)
  if ask.limit == 0 then return end
  spend_tokens(ask.buckets, ask.window_us)
  if ask.tried > 0 then spend_tokens(ask.attempts, ask.window_us, ask.tried) end
end

-- A credential that is good no more, a request that was made before, or one too many: what to say; nil for none of it.
local function judge_request(ask)
  local good, rates = credential_good(ask.digest, ask.user)
  if not good then return {'invalid_token'} end
  ask.buckets = buckets_of(ask.user, ask.digest, rates, 'submits', ask.limit)
  local tries = ask.tries_a_submit
  ask.attempts = buckets_of(ask.user, ask.digest, rates, 'attempts', ask.limit * tries, tries)
  local first = ask.memory and redis.call('GET', ask.memory)
  if first then
    local fingerprint, first_id = string.match(first, '^(%S+) (%S+)$')
    return answer(ask, fingerprint == ask.fingerprint and 'replayed' or 'idempotency_key_reused', first_id)
  end
  local both = {unpack(ask.buckets)}
  for _, bucket in ipairs(ask.attempts) do both[#both + 1] = bucket end
  if ask.limit > 0 then read_buckets(both, ask.window_us) end
  local wait = ask.limit > 0 and wait_for_tokens(ask.buckets, ask.window_us) or 0
  if wait > 0 then return answer(ask, 'rate_limited', digits(wait), 'submits') end
  wait = ask.limit > 0 and wait_for_tokens(ask.attempts, ask.window_us) or 0
  if wait > 0 then return answer(ask, 'rate_limited', digits(wait), 'attempts') end
  if ask.stored_max >= 0 and stored_bytes(ask.user) >= ask.stored_max then return answer(ask, 'storage_exceeded') end
  if ask.records_max >= 0 and record_bytes(ask.user) + ask.bytes > ask.records_max then
    return answer(ask, 'records_exceeded')
  end
end

-- No room for more: what to say; nil where there is. `crowded`: whether too much of the caller's waits already.
local function judge_room(ask, crowded)
  if crowded then return answer(ask, 'queue_limit') end
  if ask.quota >= 0 and units_of_today(ask) + ask.units > ask.quota then return answer(ask, 'quota_exceeded') end
  if redis.call('HGET', KEY.queue .. ask.queue, 'draining') == '1' then return answer(ask, 'draining') end
  local queued = redis.call('ZCARD', zset_of(ask.queue))
  if queued < ask.queue_max then return nil end
  return answer(ask, 'queue_full', queued, redis.call('HGET', KEY.queue .. ask.queue, 'drain') or '0')
end
