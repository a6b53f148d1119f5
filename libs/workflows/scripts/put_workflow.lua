-- Register a workflow, or a new version of one.
-- Needs: shelf.lua record.lua
--
-- ARGV  1 name   2 its digest   3 "create" | "revise"   4 the definition as JSON   5 "1" when the nodes were checked
--       6 how many workflows there may be   7 how many versions of one   and who acts
-- Returns  {"stored", its number, ms} | {"conflict"} | {"not_found"} | {"too_many"}

local name, digest, how = ARGV[1], ARGV[2], ARGV[3]
local versions, at = KEY.workflow_versions .. digest, KEY.workflow .. digest
local known = redis.call('ZSCORE', KEY.workflows, name)
if how == 'create' and known then return {'conflict'} end
if how == 'revise' and not known then return {'not_found'} end
if not known and redis.call('ZCARD', KEY.workflows) >= tonumber(ARGV[6]) then return {'too_many'} end
if known and redis.call('ZCARD', versions) >= tonumber(ARGV[7]) then return {'too_many'} end

local number = redis.call('HINCRBY', at, 'newest', 1)
redis.call('PERSIST', at)
redis.call('ZADD', KEY.workflows, 0, name)
redis.call('ZADD', versions, number, number)
redis.call('HSET', version_key(digest, number), 'definition', ARGV[4], 'checked', ARGV[5], 'created', now,
  'by', ARGV[#ARGV - 2])
record_act(how .. '_workflow', name, '', facts(number))
return {'stored', number, now}
