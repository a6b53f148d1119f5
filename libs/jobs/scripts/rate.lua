-- A token bucket kept as one number, the time at which it is full again (GCRA, ITU-T I.371).
--
-- A bucket of `limit` tokens refills over `window_us`, which is as far ahead as its number can lie. An absent key is a full
-- bucket. `bucket` is a table: at (its key), limit, and full once it was read: one command, however much is asked of it.
-- Needs: clock.lua

-- Read some buckets, all by one command.
local function read_buckets(buckets, window_us)
  local at = {}
  for i, bucket in ipairs(buckets) do at[i] = bucket.at end
  for i, told in ipairs(redis.call('MGET', unpack(at))) do
    local full = tonumber(told) or 0
    buckets[i].full = still(full / 1000, window_us / 1000 + 1) and math.max(now_us, full) or now_us
  end
end

local function full_at(bucket, window_us)
  if not bucket.full then read_buckets({bucket}, window_us) end
  return bucket.full
end

-- How many whole tokens are left, and in how many µs the bucket is full again.
local function tokens_left(bucket, window_us)
  local until_full = full_at(bucket, window_us) - now_us
  return math.floor((window_us - until_full) * bucket.limit / window_us + 1e-6), until_full
end

-- µs until one more token is there; 0 when there is one already.
local function wait_for_token(bucket, window_us)
  return math.max(0, math.ceil(full_at(bucket, window_us) - now_us + window_us / bucket.limit - window_us))
end

-- A bucket that has less than that is empty then: it owes nothing past its window.
local function spend_token(bucket, window_us, tokens)
  local full = math.min(full_at(bucket, window_us) + tokens * window_us / bucket.limit, now_us + window_us)
  bucket.full = math.floor(full + 0.5)
  local kept_ms = math.ceil((bucket.full - now_us) / 1000) + 1000
  redis.call('SET', bucket.at, string.format('%.0f', bucket.full), 'PX', kept_ms)
end

-- The buckets that a request takes from: its user's, and its api key's own where the key has a rate below the plan's.
-- `tries`: it is the bucket of attempts, which holds so many times the submits.
local function buckets_of(user, digest, rates, name, limit, tries)
  local buckets = {{at = KEY.rate .. user .. ':' .. name, limit = limit}}
  local own = rates and cjson.decode(rates)[tries and 'submits' or name]
  if own then buckets[2] = {at = KEY.rate .. digest .. ':' .. name, limit = own * (tries or 1)} end
  return buckets
end

local function wait_for_tokens(buckets, window_us)
  local wait = 0
  for _, bucket in ipairs(buckets) do wait = math.max(wait, wait_for_token(bucket, window_us)) end
  return wait
end

local function spend_tokens(buckets, window_us, tokens)
  for _, bucket in ipairs(buckets) do spend_token(bucket, window_us, tokens or 1) end
end

-- Of the bucket that runs out first: tokens left, µs until it is full, its limit.
local function tightest(buckets, window_us)
  local left, until_full, limit
  for _, bucket in ipairs(buckets) do
    local some, full = tokens_left(bucket, window_us)
    if not left or some < left then left, until_full, limit = some, full, bucket.limit end
  end
  return left, until_full, limit
end
