-- Keep the streams of a process on the count for another while.
--
-- Needs: clock.lua
--
-- ARGV  1 ms that an entry holds   2… api key, stream of each
-- Returns  how many there were

for i = 2, #ARGV, 2 do
  redis.call('ZADD', KEY.streams .. ARGV[i], digits(now + tonumber(ARGV[1])), ARGV[i + 1])
  redis.call('PEXPIRE', KEY.streams .. ARGV[i], ARGV[1])
end
return (#ARGV - 1) / 2
