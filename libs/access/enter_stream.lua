-- Open one more stream on an api key, unless as many are open as there may be, in all processes together.
-- An entry that nobody renews lapses: its process is gone.
--
-- Needs: clock.lua
--
-- ARGV  1 api key   2 the stream   3 how many there may be   4 ms that an entry holds
-- Returns  "entered" | "rate_limited"

local streams = KEY.streams .. ARGV[1]
local span = tonumber(ARGV[4])
if count_still(streams, span) >= tonumber(ARGV[3]) then
  return 'rate_limited'
end

drop_over(streams, span)
redis.call('ZADD', streams, digits(now + span), ARGV[2])
redis.call('PEXPIRE', streams, ARGV[4])
return 'entered'
