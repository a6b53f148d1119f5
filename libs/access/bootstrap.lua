-- Make the first user and their admin key: only in a deployment that has no user yet.
-- Needs: records.lua facts.lua
--
-- ARGV  1 user   2 digest of the address   3 address   4 plan
--       5 api key   6 digest   7 name   8 scopes   9 hint   10 ms it lives   11 version of the pepper   and who acts
-- Returns  {"created", ms, ms it expires} | {"exists"} when it was this very key | {"conflict"}

if redis.call('EXISTS', KEY.api_key .. ARGV[6]) == 1 then return {'exists'} end
if redis.call('ZCARD', KEY.users) > 0 then return {'conflict'} end

store_user(ARGV[1], ARGV[2], ARGV[3], ARGV[4], '{}')
record_act('create_user', ARGV[1], '', user_facts(ARGV[1]))
local expires = store_api_key(ARGV[5], ARGV[6], ARGV[1], ARGV[7], ARGV[8], ARGV[9], ARGV[10], {'pepper', ARGV[11]})
record_act('create_api_key', ARGV[5], '', api_key_facts(ARGV[6]))
return {'created', now, expires}
