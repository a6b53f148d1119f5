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
