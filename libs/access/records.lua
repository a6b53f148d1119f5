-- Writing users and api keys, and telling every process's cache that a key's facts have changed.
-- Needs: clock.lua; sha256.lua record.lua, behind this

local REMEMBERED_MS = 30 * 86400 * 1000 -- how long a record outlives its key's expiry

local function store_user(id, email_digest, email, plan, overrides)
  redis.call('HSET', KEY.user .. id, 'email', email, 'plan', plan, 'overrides', overrides,
    'status', 'active', 'created', now)
  redis.call('SET', KEY.email .. email_digest, id)
  redis.call('ZADD', KEY.users, now, id)
end

-- `more` is a list of further members: name, value, …
local function store_api_key(id, digest, user, name, scopes, hint, lives_ms, more)
  local expires, record, by_id = now + lives_ms, KEY.api_key .. digest, KEY.api_key_id .. id
  redis.call('HSET', record, 'id', id, 'user', user, 'name', name, 'scopes', scopes, 'hint', hint,
    'created', now, 'expires', expires, unpack(more))
  redis.call('SET', by_id, digest)
  redis.call('PEXPIREAT', record, expires + REMEMBERED_MS)
  redis.call('PEXPIREAT', by_id, expires + REMEMBERED_MS)
  redis.call('ZADD', KEY.user_api_keys .. user, now, id)
  redis.call('ZADD', KEY.api_keys, now, id)
  return expires
end

local function forget(digest)
  redis.call('PUBLISH', KEY.revoked, digest)
end

local function forget_keys_of(user)
  for _, id in ipairs(redis.call('ZRANGE', KEY.user_api_keys .. user, 0, -1)) do
    local digest = redis.call('GET', KEY.api_key_id .. id)
    if digest then forget(digest) end
  end
end
