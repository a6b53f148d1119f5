-- Who holds an api key, and what they may do; nobody when it is unknown, revoked or expired, or its user suspended.
--
-- ARGV  1 digest
-- Returns  {api key, its name, scopes, user, address, plan, overrides as JSON, the plan as an admin changed it as JSON
--           or "", ms for which this holds} | {}

local key = redis.call('HMGET', KEY.api_key .. ARGV[1], 'id', 'name', 'scopes', 'user', 'expires', 'revoked')
if not key[1] then return {} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holds = tonumber(key[5]) - now
if key[6] then holds = math.min(holds, tonumber(key[6]) - now) end
if holds <= 0 then return {} end
local user = redis.call('HMGET', KEY.user .. key[4], 'email', 'plan', 'overrides', 'status')
if user[4] ~= 'active' then return {} end

local plan = redis.call('HGET', KEY.plans, user[2]) or ''
return {key[1], key[2], key[3], key[4], user[1], user[2], user[3], plan, holds}
