-- Open one more stream on an api key, unless as many are open as there may be, in all processes together.
-- An entry that nobody renews lapses: its process is gone.
--
-- ARGV  1 api key   2 the stream   3 how many there may be   4 ms that an entry holds
-- Returns  "entered" | "rate_limited"

local streams = KEY.streams .. ARGV[1]
if redis.call('ZCOUNT', streams, '(' .. string.format('%.0f', now), '+inf') >= tonumber(ARGV[3]) then
  return 'rate_limited'
end

redis.call('ZREMRANGEBYSCORE', streams, '-inf', string.format('%.0f', now))
redis.call('ZADD', streams, string.format('%.0f', now + tonumber(ARGV[4])), ARGV[2])
redis.call('PEXPIRE', streams, ARGV[4])
return 'entered'
