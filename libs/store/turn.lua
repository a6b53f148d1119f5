-- Take a turn at what one of all does, or go on with it; it lapses when its holder dies.
--
-- The value says until when, and how long before that it was said: what expires does so by the clock that it was set by,
-- and that may have stepped back.
-- Needs: clock.lua
--
-- KEYS  1 the turn   STRING "<holder> <until> <for>", ms
-- ARGV  1 who asks   2 for how long, ms
-- Returns  "mine" | "taken"

local span = tonumber(ARGV[2])
local holder, ends, said_for = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%d+) (%d+)$')
if holder and holder ~= ARGV[1] and still(tonumber(ends), tonumber(said_for)) then return 'taken' end

redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. digits(now + span) .. ' ' .. digits(span), 'PX', span)
return 'mine'
