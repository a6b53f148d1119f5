-- The one clock, and how long what it tells is kept. Stands above every script that moves an upload.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A PUT that began before its URL lapsed may end after it.
local GRACE_MS = 15 * 60 * 1000
-- A record outlives its upload for as long as the sweep may be away: it is how the object is found.
local MARGIN_MS = 30 * 24 * 3600 * 1000

local function digits(number)
  return string.format('%.0f', number)
end
