-- Who holds an api key, and what they may do; nobody when it is unknown, revoked or expired, or its user not active.
-- An address that failed too often is told so before anything is looked up.
--
-- ARGV  1 digest of the address, or ''   2 failures at most   3 ms that they count   4… digests, one for each pepper
-- Returns  {api key, its name, scopes, user, address, plan, overrides as JSON, the plan as an admin changed it as JSON
--           or "", ms for which this holds, the digest, its own rates as JSON or "", networks or ""}
--          | {} | {ms to wait}

local failures = KEY.failures .. ARGV[1]
if ARGV[1] ~= '' and (tonumber(redis.call('GET', failures)) or 0) >= tonumber(ARGV[2]) then
  return {math.max(1, redis.call('PTTL', failures))}
end

local function find(digest)
  local key = redis.call('HMGET', KEY.api_key .. digest,
    'id', 'name', 'scopes', 'user', 'expires', 'revoked', 'rates', 'networks')
  if not key[1] then return nil end
  local holds = tonumber(key[5]) - now
  if key[6] then holds = math.min(holds, tonumber(key[6]) - now) end
  if holds <= 0 then return nil end
  local user = redis.call('HMGET', KEY.user .. key[4], 'email', 'plan', 'overrides', 'status')
  if user[4] ~= 'active' then return nil end
  local plan = redis.call('HGET', KEY.plans, user[2]) or ''
  return {key[1], key[2], key[3], key[4], user[1], user[2], user[3], plan, holds, digest, key[7] or '', key[8] or ''}
end

for i = 4, #ARGV do
  local found = find(ARGV[i])
  if found then return found end
end

if ARGV[1] ~= '' and redis.call('INCR', failures) == 1 then redis.call('PEXPIRE', failures, ARGV[3]) end
return {}
