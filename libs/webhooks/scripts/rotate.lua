-- Give an endpoint its next secret; the one before is signed with too for a while.
-- Needs: clock.lua
--
-- ARGV  1 user   2 endpoint   3 pepper that the new secret is derived from   4 ms for which the old one counts
-- Returns  "rotated" | "not_found"

local record = KEY.webhook .. ARGV[2]
local known = redis.call('HMGET', record, 'user', 'secret')
if known[1] ~= ARGV[1] then return 'not_found' end

local number = tonumber(string.match(known[2], '^%d+')) + 1
redis.call('HSET', record, 'secret', number .. ' ' .. ARGV[3], 'rotated', digits(now),
  'former', known[2], 'former_until', digits(now + tonumber(ARGV[4])))
return 'rotated'
