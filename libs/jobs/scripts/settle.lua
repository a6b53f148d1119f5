-- Quota that balances: units are held at admission and settled once, on the day they were held.
--
-- usage HASH  held, used, used:<kind>     ledger STREAM  one entry for each change; its sum is the counters
-- usage_month HASH  <kind>: what was used of it
-- Needs: clock.lua

local DAY_MS = 86400000
local USAGE_KEPT_S = 40 * 86400
local MONTHS_KEPT_S = 400 * 86400

local function today()
  return string.format('%d', math.floor(now / DAY_MS))
end

-- Units of today, held and used.
local function today_units(user)
  local usage = redis.call('HMGET', KEY.usage .. user .. ':' .. today(), 'held', 'used')
  return (tonumber(usage[1]) or 0) + (tonumber(usage[2]) or 0)
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

-- The month that a day (since the epoch) lies in, as 202611; the calendar counts from March, so that leap days come
-- last (H. Hinnant, chrono-compatible low-level date algorithms).
local function month_of(day)
  local z = day + 719468
  local era = math.floor(z / 146097)
  local of_era = z - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153) + 3
  if month > 12 then year, month = year + 1, month - 12 end
  return string.format('%d', (year + era * 400) * 100 + month)
end

-- `entry` is settle (the caller pays) or refund (the fault was ours, or it never started).
local function settle_units(entry, user, job, day, units, kind)
  local usage = KEY.usage .. user .. ':' .. day
  redis.call('HINCRBY', usage, 'held', -units)
  if entry == 'settle' then
    redis.call('HINCRBY', usage, 'used', units)
    redis.call('HINCRBY', usage, 'used:' .. kind, units)
    local month = KEY.usage_month .. user .. ':' .. month_of(tonumber(day))
    if redis.call('HINCRBY', month, kind, units) == units then redis.call('EXPIRE', month, MONTHS_KEPT_S) end
  end
  write_ledger(user, entry, job, day, units)
end
