-- Change a user's plan, overrides or status; their keys are looked up anew everywhere.
-- Needs: records.lua
--
-- ARGV  1 user   2 plan, or ""   3 "1" when the plan is built in   4 overrides as JSON, or ""   5 status, or ""
-- Returns  {"updated", the record} | {"not_found"} | {"unknown_plan"}

local record, plan = KEY.user .. ARGV[1], ARGV[2]
if redis.call('EXISTS', record) == 0 then return {'not_found'} end
if plan ~= '' and ARGV[3] ~= '1' and redis.call('HEXISTS', KEY.plans, plan) == 0 then return {'unknown_plan'} end

local function set(field, value)
  if value ~= '' then redis.call('HSET', record, field, value) end
end
set('plan', plan)
set('overrides', ARGV[4])
set('status', ARGV[5])
for _, id in ipairs(redis.call('ZRANGE', KEY.user_api_keys .. ARGV[1], 0, -1)) do
  local digest = redis.call('GET', KEY.api_key_id .. id)
  if digest then forget(digest) end
end
return {'updated', redis.call('HGETALL', record)}
