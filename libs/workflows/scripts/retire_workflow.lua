-- Take a workflow from the shelf with all its versions.
-- Needs: shelf.lua record.lua
--
-- ARGV  1 name   2 its digest   3 ms that it stays for the jobs ordered before   and who acts
-- Returns  "retired" | "not_found"

local name, digest = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', KEY.workflows, name) then return 'not_found' end

local numbers = redis.call('ZRANGE', KEY.workflow_versions .. digest, 0, -1)
for _, number in ipairs(numbers) do retire(digest, number, ARGV[3]) end
redis.call('ZREM', KEY.workflows, name)
redis.call('PEXPIRE', KEY.workflow .. digest, ARGV[3])
record_act('retire_workflow', name, facts(numbers[#numbers]), '')
return 'retired'
