-- Wake waiting jobs: their provider has called back.
-- Needs: clock.lua fair.lua slots.lua settle.lua tell.lua gate.lua batch.lua ending.lua
--
-- ARGV  ids of jobs; what is not waiting is left alone

for _, id in ipairs(ARGV) do
  local job = load_record(id)
  if job then wake(job) end
end
return #ARGV
