-- Quota that balances: units are held at admission and settled once, on the day they were held.
--
-- usage HASH  held, used     ledger STREAM  one entry for each change; its sum is the counters
-- Needs: clock.lua

local DAY_MS = 86400000
local USAGE_KEPT_S = 40 * 86400

local function today()
  return string.format('%d', math.floor(now / DAY_MS))
end

local function write_ledger(user, entry, job, day, units)
  redis.call('XADD', KEY.ledger .. user, '*', 'entry', entry, 'job', job, 'day', day, 'units', units)
end

local function reserve_units(user, job, units)
  local day = today()
  local usage = KEY.usage .. user .. ':' .. day
  redis.call('HINCRBY', usage, 'held', units)
  redis.call('EXPIRE', usage, USAGE_KEPT_S)
  write_ledger(user, 'reserve', job, day, units)
  return day
end

-- `entry` is settle (the caller pays) or refund (the fault was ours, or it never started).
local function settle_units(entry, user, job, day, units)
  local usage = KEY.usage .. user .. ':' .. day
  redis.call('HINCRBY', usage, 'held', -units)
  if entry == 'settle' then redis.call('HINCRBY', usage, 'used', units) end
  write_ledger(user, entry, job, day, units)
end
