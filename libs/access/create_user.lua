-- Create a user, unless the e-mail address has one.
-- Needs: records.lua facts.lua
--
-- ARGV  1 user   2 digest of the address   3 address   4 plan   5 "1" when the plan is built in   6 overrides, JSON
--       and who acts
-- Returns  {"created", ms} | {"conflict"} | {"unknown_plan"}

if redis.call('EXISTS', KEY.email .. ARGV[2]) == 1 then return {'conflict'} end
if ARGV[5] ~= '1' and redis.call('HEXISTS', KEY.plans, ARGV[4]) == 0 then return {'unknown_plan'} end

store_user(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6])
record_act('create_user', ARGV[1], '', user_facts(ARGV[1]))
return {'created', now}
