-- A token bucket kept as one number, the time at which it is full again (GCRA, ITU-T I.371).
--
-- A bucket of `limit` tokens refills over `window_us`. An absent key is a full bucket.
-- Needs: clock.lua

local function full_at(bucket)
  return math.max(now_us, tonumber(redis.call('GET', bucket)) or 0)
end

-- How many whole tokens are left, and in how many µs the bucket is full again.
local function tokens_left(bucket, limit, window_us)
  local until_full = full_at(bucket) - now_us
  return math.floor((window_us - until_full) * limit / window_us + 1e-6), until_full
end

-- µs until one more token is there; 0 when there is one already.
local function wait_for_token(bucket, limit, window_us)
  return math.max(0, math.ceil(full_at(bucket) - now_us + window_us / limit - window_us))
end

local function spend_token(bucket, limit, window_us)
  local full = full_at(bucket) + window_us / limit
  redis.call('SET', bucket, string.format('%.0f', full), 'PX', math.ceil((full - now_us) / 1000) + 1000)
end

-- The buckets that a request takes from: its user's, and its api key's own where the key has a rate below the plan's.
local function buckets_of(user, digest, rates, name, limit)
  local buckets = {{at = KEY.rate .. user .. ':' .. name, limit = limit}}
  local own = rates and cjson.decode(rates)[name]
  if own then buckets[2] = {at = KEY.rate .. digest .. ':' .. name, limit = own} end
  return buckets
end

local function wait_for_tokens(buckets, window_us)
  local wait = 0
  for _, bucket in ipairs(buckets) do wait = math.max(wait, wait_for_token(bucket.at, bucket.limit, window_us)) end
  return wait
end

local function spend_tokens(buckets, window_us)
  for _, bucket in ipairs(buckets) do spend_token(bucket.at, bucket.limit, window_us) end
end

-- Of the bucket that runs out first: tokens left, µs until it is full, its limit.
local function tightest(buckets, window_us)
  local left, until_full, limit
  for _, bucket in ipairs(buckets) do
    local some, full = tokens_left(bucket.at, bucket.limit, window_us)
    if not left or some < left then left, until_full, limit = some, full, bucket.limit end
  end
  return left, until_full, limit
end
