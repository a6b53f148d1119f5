-- What the audit log is told of a user and of an api key: ids and numbers, never an address and never a secret.
-- Needs: record.lua

local function user_facts(id)
  local known = redis.call('HMGET', KEY.user .. id, 'plan', 'overrides', 'status')
  return json_object('role', json_text(known[1]), 'overrides', known[2], 'status', json_text(known[3]))
end

local function api_key_facts(digest)
  local known = redis.call('HMGET', KEY.api_key .. digest,
    'user', 'name', 'scopes', 'expires', 'revoked', 'rates', 'networks', 'replaces')
  return json_object('user_id', json_text(known[1]), 'name', json_text(known[2]), 'scopes', json_text(known[3]),
    'expires_at_ms', known[4], 'revoked_at_ms', known[5] or 'null', 'rates', known[6] or '{}',
    'addresses', json_text(known[7]), 'replaces', json_text(known[8]))
end
