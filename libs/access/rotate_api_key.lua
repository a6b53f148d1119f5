-- Store a successor of an api key, alike in all but its secret and its times; the old one is refused after a while.
-- Needs: records.lua facts.lua
--
-- ARGV  1 api key   2 its successor   3 digest of that   4 hint   5 version of the pepper   6 ms it lives
--       7 ms that both are good   8 how many keys a user may have   and who acts
-- Returns  {"rotated", the new record, the old one} | {"not_found"} | {"lapsed"} when it is, or will be, refused already
--          | {"conflict"}

local digest = redis.call('GET', KEY.api_key_id .. ARGV[1])
if not digest then return {'not_found'} end
local record = KEY.api_key .. digest
local old = redis.call('HMGET', record, 'user', 'name', 'scopes', 'expires', 'revoked', 'rates', 'networks')
if redis.call('HGET', KEY.user .. old[1], 'status') == 'erasing' then return {'not_found'} end
if old[5] or tonumber(old[4]) <= now then return {'lapsed'} end
if redis.call('ZCARD', KEY.user_api_keys .. old[1]) >= tonumber(ARGV[8]) then return {'conflict'} end

local more = {'pepper', ARGV[5], 'replaces', ARGV[1]}
local function inherit(name, value)
  if not value then return end
  more[#more + 1] = name
  more[#more + 1] = value
end
inherit('rates', old[6])
inherit('networks', old[7])
local before = api_key_facts(digest)
store_api_key(ARGV[2], ARGV[3], old[1], old[2], old[3], ARGV[4], ARGV[6], more)
redis.call('HSET', record, 'revoked', now + tonumber(ARGV[7]), 'replaced_by', ARGV[2])
record_act('rotate_api_key', ARGV[1], before, api_key_facts(ARGV[3]))
forget(digest)
return {'rotated', redis.call('HGETALL', KEY.api_key .. ARGV[3]), redis.call('HGETALL', record)}
