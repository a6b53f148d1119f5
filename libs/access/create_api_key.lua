-- Store a new api key of a user.
-- Needs: records.lua
--
-- ARGV  1 api key   2 digest   3 user   4 name   5 scopes, separated by spaces   6 hint   7 ms it lives
--       8 how many keys a user may have
-- Returns  {"created", ms, ms it expires} | {"not_found"} | {"conflict"}

if redis.call('EXISTS', KEY.user .. ARGV[3]) == 0 then return {'not_found'} end
if redis.call('ZCARD', KEY.user_api_keys .. ARGV[3]) >= tonumber(ARGV[8]) then return {'conflict'} end

local expires = store_api_key(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
return {'created', now, expires}
