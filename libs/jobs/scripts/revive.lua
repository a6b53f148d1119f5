-- Put a dead foreign job back into its queue, as it was enqueued.
-- Needs: clock.lua fair.lua sha256.lua record.lua
--
-- ARGV  1 the dead job   2 the foreign job's own id   and who acts
-- Returns  "revived" | "not_found" when somebody else was faster | "conflict" when a job of that id is there again

local known = redis.call('HMGET', KEY.job .. ARGV[1], 'queue', 'payload')
if not redis.call('ZSCORE', KEY.dead, ARGV[1]) or not known[1] then return 'not_found' end
local zset = zset_of(known[1])
if redis.call('ZSCORE', zset, ARGV[2]) then return 'conflict' end

redis.call('SET', KEY.arq_job .. ARGV[2], known[2])
redis.call('DEL', KEY.arq_result .. ARGV[2], KEY.job .. ARGV[1])
redis.call('ZADD', zset, digits(now), ARGV[2])
redis.call('ZREM', KEY.dead, ARGV[1])
ring(known[1], 1)
record_act('replay_job', ARGV[1], '', json_object('job_id', json_text(ARGV[2])))
return 'revived'
