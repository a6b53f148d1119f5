-- Put a small value that expires; also while Redis is full.
--
-- KEYS  1 where
-- ARGV  1 the value   2 ms that it is kept   3 '1': only where there is none
-- Returns  1 when it was put, else 0

local words = {'SET', KEYS[1], ARGV[1], 'PX', ARGV[2]}
if ARGV[3] == '1' then words[#words + 1] = 'NX' end
return redis.call(unpack(words)) and 1 or 0
