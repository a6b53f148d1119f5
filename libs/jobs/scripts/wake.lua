-- Wake waiting jobs: their provider has called back.
-- Needs: clock.lua fair.lua slots.lua settle.lua tell.lua gate.lua batch.lua ending.lua
--
-- ARGV  ids of jobs; what is not waiting is left alone
-- Returns  the ids of those that have ended, or are not known: nobody needs to call them again

local FINISHED = {succeeded = true, failed = true, canceled = true, expired = true}
local over = {}
for _, id in ipairs(ARGV) do
  local job = load_record(id)
  if job and not FINISHED[job.status] then wake(job) else over[#over + 1] = id end
end
return over
