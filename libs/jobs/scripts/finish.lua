-- End an attempt: the job is done, or goes back to the queue. One step: record, quota, slot, event, webhook.
--
-- Idempotent: an ending whose reply was lost may be sent again.
-- Needs: clock.lua fair.lua slots.lua settle.lua tell.lua gate.lua batch.lua ending.lua
--
-- ARGV  1 job id   2 fence   3 ending   4 delay, ms (retry, release, wait)
--       5 payment: settle | refund (succeed, fail, cancel)   6… members of the record: name, value, …
--   ending  succeed | fail | cancel   the job ends
--           retry                     an attempt is used up, the job comes back after the delay
--           release                   handed back unfinished, no attempt used: the job comes back after the delay
--           unstart                   as release, and the job counts as not started
--           wait                      a provider works on it: still running, but without slot, lease or charge, until
--                                     the delay is over or somebody wakes it
-- Returns  "done" | "fenced"

local STATUS = {succeed = 'succeeded', fail = 'failed', cancel = 'canceled'}
local COUNTER = {retry = 'failures', release = 'releases', unstart = 'releases'}
local id, fence, ending, delay = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local record = KEY.job .. id

local job = load_record(id)
if not job then return 'fenced' end
if job.fence ~= fence then
  return redis.call('HGET', record, 'ended') == fence and 'done' or 'fenced'
end

leave_slot(job, fence)
if #ARGV > 5 then redis.call('HSET', record, unpack(ARGV, 6)) end
if ending == 'wait' then
  free_server_slot(job)
  redis.call('HSET', record, 'waiting', 1)
  redis.call('HDEL', record, 'woken')
  wait_behind_gate(job)
  redis.call('ZADD', zset_of(job.queue), digits(now + ((job.cancel or job.woken) and 0 or delay)), id)
  ring(job.queue, 1)
  promote(job.user, job.queue)
  return 'done'
end
if job.cancel and COUNTER[ending] then ending = 'cancel' end
if STATUS[ending] then
  job.left_bytes = bytes_of({unpack(ARGV, 6)})
  finish(job, STATUS[ending], ARGV[5])
  promote(job.user, job.queue)
  return 'done'
end
redis.call('HINCRBY', record, COUNTER[ending], 1)
if ending == 'unstart' then redis.call('HDEL', record, 'started', 'progress') end
requeue(job, delay, ending == 'retry' and 'retry' or 'released')
return 'done'
