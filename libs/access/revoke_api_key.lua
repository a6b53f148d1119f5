-- Refuse an api key from now on, whatever the clock says later (`shut`). Revoking twice changes nothing.
-- Needs: records.lua facts.lua
--
-- ARGV  1 api key   and who acts
-- Returns  {"revoked", the record} | {"not_found"}

local digest = redis.call('GET', KEY.api_key_id .. ARGV[1])
if not digest then return {'not_found'} end
local record = KEY.api_key .. digest
local known = redis.call('HMGET', record, 'revoked', 'shut')
local revoked = tonumber(known[1])

if not known[2] and (not revoked or revoked > now) then
  local before = api_key_facts(digest)
  redis.call('HSET', record, 'revoked', now, 'shut', 1)
  record_act('revoke_api_key', ARGV[1], before, api_key_facts(digest))
end
forget(digest)
return {'revoked', redis.call('HGETALL', record)}
