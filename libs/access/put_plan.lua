-- Store a plan's numbers; every caller is looked up anew everywhere.
-- Needs: records.lua
--
-- ARGV  1 plan   2 its numbers as JSON   3 the numbers that it has without this, as JSON, or ""
--       4 how many plans there may be   and who acts
-- Returns  "changed" | "conflict" when that is one plan too many

local before = redis.call('HGET', KEY.plans, ARGV[1])
if not before and redis.call('HLEN', KEY.plans) >= tonumber(ARGV[4]) then return 'conflict' end

redis.call('HSET', KEY.plans, ARGV[1], ARGV[2])
record_act('change_plan', ARGV[1], before or ARGV[3], ARGV[2])
redis.call('PUBLISH', KEY.revoked, '*')
return 'changed'
