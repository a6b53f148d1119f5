-- The one clock of everything: Redis's own. `now` is in ms, `now_us` in µs since the epoch.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)

-- Numbers go back to Redis with all their digits: Lua's own tostring keeps only 14.
local function digits(x)
  return string.format('%.17g', x)
end
