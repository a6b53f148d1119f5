-- What a process says of itself: a small write of the kind that Redis refuses first when it can take no more.
-- Needs: clock.lua
--
-- ARGV  1 process   2 what it says, JSON   3 ms that it is kept

local kept = tonumber(ARGV[3])
redis.call('SET', KEY.process .. ARGV[1], ARGV[2], 'PX', kept)
redis.call('ZADD', KEY.processes, digits(now + kept), ARGV[1])
drop_over(KEY.processes, kept)
redis.call('PEXPIRE', KEY.processes, kept)
