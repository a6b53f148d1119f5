-- Cut what lies in the archive off the beginning of a log.
--
-- KEYS  1 the log   STREAM
-- ARGV  1 the last entry that was archived   2 '1' when it stays, as what the next one follows
-- Returns  how many entries are left

redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
if ARGV[2] ~= '1' then redis.call('XDEL', KEYS[1], ARGV[1]) end
local left = redis.call('XLEN', KEYS[1])
if left == 0 then redis.call('DEL', KEYS[1]) end
return left
