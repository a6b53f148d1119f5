-- Who holds an api key, and what they may do; nobody when it is unknown, revoked or expired, or its user not active.
-- Reads alone: whoever shows a key that is none makes us write nothing.
--
-- ARGV  digests of one secret, one for each pepper
-- Returns  {api key, its name, scopes, user, address, plan, overrides as JSON, the plan as an admin changed it as JSON
--           or "", ms for which this holds, the digest, its own rates as JSON or "", networks or ""} | {}

local function find(digest)
  local key = redis.call('HMGET', KEY.api_key .. digest,
    'id', 'name', 'scopes', 'user', 'expires', 'revoked', 'rates', 'networks', 'shut')
  if not key[1] or key[9] then return nil end
  local holds = tonumber(key[5]) - now
  if key[6] then holds = math.min(holds, tonumber(key[6]) - now) end
  if holds <= 0 then return nil end
  local user = redis.call('HMGET', KEY.user .. key[4], 'email', 'plan', 'overrides', 'status')
  if user[4] ~= 'active' then return nil end
  local plan = redis.call('HGET', KEY.plans, user[2]) or ''
  return {key[1], key[2], key[3], key[4], user[1], user[2], user[3], plan, holds, digest, key[7] or '', key[8] or ''}
end

for _, digest in ipairs(ARGV) do
  local found = find(digest)
  if found then return found end
end
return {}
