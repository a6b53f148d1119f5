-- Publish what the node classes of a backend take and give, in place of what was published before.
--
-- The member "" holds the digest of them all: while it stays the same, a worker has nothing to send but that.
-- ARGV  1 backend   2 digest   3 ms that it stays   then a class, its declaration as JSON, and so on; or nothing
-- Returns  "published" | "same" when that is what is there | "changed" when it is not, and the classes were not sent

local at = KEY.node_classes .. ARGV[1]
local same = redis.call('HGET', at, '') == ARGV[2]
if not same and #ARGV == 3 then return 'changed' end

if not same then
  redis.call('DEL', at)
  redis.call('HSET', at, '', ARGV[2])
  for i = 4, #ARGV, 2 do redis.call('HSET', at, ARGV[i], ARGV[i + 1]) end
end
redis.call('PEXPIRE', at, ARGV[3])
return same and 'same' or 'published'
