-- Store a new api key of a user.
-- Needs: records.lua facts.lua
--
-- ARGV  1 api key   2 digest   3 user   4 name   5 scopes, separated by spaces   6 hint   7 ms it lives
--       8 how many keys a user may have   9… further members: name, value, …   and who acts
-- Returns  {"created", ms, ms it expires} | {"not_found"} | {"conflict"}

local status = redis.call('HGET', KEY.user .. ARGV[3], 'status')
if not status or status == 'erasing' then return {'not_found'} end
if redis.call('ZCARD', KEY.user_api_keys .. ARGV[3]) >= tonumber(ARGV[8]) then return {'conflict'} end

local more = {unpack(ARGV, 9, #ARGV - 3)}
local expires = store_api_key(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], more)
record_act('create_api_key', ARGV[1], '', api_key_facts(ARGV[2]))
return {'created', now, expires}
