-- End a foreign job (ARQ's own enqueue_job), fenced as ours are. Its result stays where ARQ's Job.result() looks.
-- Needs: clock.lua fair.lua
--
-- ARGV  1 job id   2 queue   3 fence   4 "finish" | "retry" | "bury"   5 result, or ''
--       6 ms the result is kept, 0 = for ever   7 delay of a retry, ms   8 ms the running mark stays (cron jobs), or 0
--       9 an id of ours for the dead (bury)   10… members of its record: name, value, …
-- Returns  "done" | "fenced"

local DEAD_KEPT_S = 90 * 86400

local id, zset, running = ARGV[1], zset_of(ARGV[2]), KEY.arq_running .. ARGV[1]
local current = redis.call('GET', running)
local score = redis.call('ZSCORE', zset, id)
local crashes = (tonumber(redis.call('GET', KEY.foreign .. id)) or 1) - 1
if current and current ~= ARGV[3] then return 'fenced' end
if not score or tonumber(score) < READY_END then return 'fenced' end

redis.call('DEL', KEY.foreign .. id)
if ARGV[4] == 'retry' then
  redis.call('DEL', running)
  redis.call('ZADD', zset, digits(now + tonumber(ARGV[7])), id)
  ring(ARGV[2], 1)
  return 'done'
end
if ARGV[4] == 'bury' then
  redis.call('HSET', KEY.job .. ARGV[9], 'user', 'foreign', 'key', '', 'queue', ARGV[2], 'status', 'failed',
    'created', now, 'deadline', now, 'finished', now, 'units', 0,
    'attempt', crashes, 'crashes', crashes, 'payload', redis.call('GET', KEY.arq_job .. id) or '', unpack(ARGV, 10))
  redis.call('EXPIRE', KEY.job .. ARGV[9], DEAD_KEPT_S)
  redis.call('ZADD', KEY.dead, now, ARGV[9])
end
if ARGV[5] ~= '' then
  redis.call('SET', KEY.arq_result .. id, ARGV[5])
  if tonumber(ARGV[6]) > 0 then redis.call('PEXPIRE', KEY.arq_result .. id, ARGV[6]) end
end
redis.call('DEL', KEY.arq_job .. id, KEY.arq_retry .. id)
redis.call('ZREM', KEY.arq_abort, id)
redis.call('ZREM', zset, id)
if tonumber(ARGV[8]) > 0 then
  redis.call('PEXPIRE', running, ARGV[8])
else
  redis.call('DEL', running)
end
return 'done'
