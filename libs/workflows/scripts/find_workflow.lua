-- Find a version of a workflow: one by its number, retired or not, or the newest that can be ordered.
--
-- ARGV  1 digest of its name   2 number, or "" for the newest
-- Returns  {number, name of a member, its value, …} | {} when there is none

local number = ARGV[2]
if number == '' then number = redis.call('ZREVRANGE', KEY.workflow_versions .. ARGV[1], 0, 0)[1] end
local known = number and redis.call('HGETALL', KEY.workflow_version .. ARGV[1] .. ':' .. number) or {}
if #known == 0 then return {} end
return {number, unpack(known)}
