-- Take a job out of the queue whose end lies in the archive: Redis was restored from a backup that is older than it.
-- Its units are left to the ledger in the archive, which tells how they were settled.
-- Needs: clock.lua fair.lua settle.lua tell.lua result.lua stored.lua record_bytes.lua conclude.lua gate.lua batch.lua ending.lua
--
-- ARGV  1 job id   2 user   3 the status it ended with
-- Returns  "left" | "not_found" when it is not unfinished

local UNFINISHED = {scheduled = true, queued = true, running = true}
local job = load_record(ARGV[1])
if not job or job.user ~= ARGV[2] or not UNFINISHED[job.status] then return 'not_found' end

if job.fence then
  leave_slot(job)
else
  leave_gate(job)
  if not unhold(job) and redis.call('SREM', KEY.open .. job.user .. ':' .. job.queue, job.id) == 1 then
    charge(job.user, job.queue, tonumber(job.size) or 0)
  end
end
redis.call('ZREM', zset_of(job.queue), job.id)
redis.call('SREM', KEY.queued .. job.user, job.id)
count_ended_item(job, ARGV[3])
redis.call('DEL', KEY.job .. job.id, KEY.events .. job.id, KEY.arq_job .. job.id, KEY.arq_running .. job.id)
redis.call('ZREM', KEY.jobs .. job.user, job.id)
count_bytes(job.user, -(tonumber(job.bytes) or 0))
promote(job.user, job.queue)
return 'left'
