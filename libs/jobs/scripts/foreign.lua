-- End a foreign job (ARQ's own enqueue_job), fenced as ours are. Its result stays where ARQ's Job.result() looks.
-- Needs: clock.lua fair.lua
--
-- ARGV  1 job id   2 queue   3 fence   4 "finish" | "retry"   5 result, or ''   6 ms the result is kept, 0 = for ever
--       7 delay of a retry, ms   8 ms the running mark stays (cron jobs), or 0
-- Returns  "done" | "fenced"

local id, zset, running = ARGV[1], zset_of(ARGV[2]), KEY.arq_running .. ARGV[1]
local current = redis.call('GET', running)
local score = redis.call('ZSCORE', zset, id)
if current and current ~= ARGV[3] then return 'fenced' end
if not score or tonumber(score) < READY_END then return 'fenced' end

if ARGV[4] == 'retry' then
  redis.call('DEL', running)
  redis.call('ZADD', zset, digits(now + tonumber(ARGV[7])), id)
  ring(ARGV[2], 1)
  return 'done'
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
