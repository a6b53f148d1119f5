-- Refuse an api key from now on. Revoking twice changes nothing.
-- Needs: records.lua facts.lua
--
-- ARGV  1 api key   and who acts
-- Returns  {"revoked", the record} | {"not_found"}

local digest = redis.call('GET', KEY.api_key_id .. ARGV[1])
if not digest then return {'not_found'} end
local record = KEY.api_key .. digest
local revoked = tonumber(redis.call('HGET', record, 'revoked'))

if not revoked or revoked > now then
  local before = api_key_facts(digest)
  redis.call('HSET', record, 'revoked', now)
  record_act('revoke_api_key', ARGV[1], before, api_key_facts(digest))
end
forget(digest)
return {'revoked', redis.call('HGETALL', record)}
