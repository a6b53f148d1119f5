-- Whether a credential is still good: the key neither revoked nor expired, its user neither suspended nor gone.
--
-- An empty digest is the caller of a deployment without keys.
-- Needs: clock.lua

-- Also returns the key's own rates, as JSON or nil.
local function credential_good(digest, user)
  if digest == '' then return true end
  local key = redis.call('HMGET', KEY.api_key .. digest, 'user', 'revoked', 'expires', 'rates', 'shut')
  if key[1] ~= user or key[5] or (key[2] and tonumber(key[2]) <= now) then return false end
  if key[3] and tonumber(key[3]) <= now then return false end
  return redis.call('HGET', KEY.user .. user, 'status') == 'active', key[4] or nil
end
