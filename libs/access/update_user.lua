-- Change a user's plan, overrides or status; their keys are looked up anew everywhere.
-- Needs: records.lua facts.lua
--
-- ARGV  1 user   2 plan, or ""   3 "1" when the plan is built in   4 overrides as JSON, or ""   5 status, or ""
--       and who acts
-- Returns  {"updated", the record} | {"not_found"} | {"unknown_plan"} | {"conflict"} when the user is being erased

local record, plan = KEY.user .. ARGV[1], ARGV[2]
local status = redis.call('HGET', record, 'status')
if not status then return {'not_found'} end
if status == 'erasing' then return {'conflict'} end
if plan ~= '' and ARGV[3] ~= '1' and redis.call('HEXISTS', KEY.plans, plan) == 0 then return {'unknown_plan'} end

local before = user_facts(ARGV[1])
local function set(field, value)
  if value ~= '' then redis.call('HSET', record, field, value) end
end
set('plan', plan)
set('overrides', ARGV[4])
set('status', ARGV[5])
record_act('change_user', ARGV[1], before, user_facts(ARGV[1]))
forget_keys_of(ARGV[1])
return {'updated', redis.call('HGETALL', record)}
