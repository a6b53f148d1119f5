-- Take a version from the shelf, unless it is the last one: then it is the workflow that is retired.
-- Needs: shelf.lua record.lua
--
-- ARGV  1 name   2 its digest   3 number   4 ms that it stays for the jobs ordered before   and who acts
-- Returns  "retired" | "not_found" | "conflict"

local digest, number = ARGV[2], ARGV[3]
local versions = KEY.workflow_versions .. digest
if not redis.call('ZSCORE', versions, number) then return 'not_found' end
if redis.call('ZCARD', versions) == 1 then return 'conflict' end

retire(digest, number, ARGV[4])
record_act('retire_workflow_version', ARGV[1], facts(number), '')
return 'retired'
