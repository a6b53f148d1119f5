-- Forget a batch that is over, and whose objects are gone; or one that never came to exist.
-- Needs: clock.lua record_bytes.lua batch.lua
--
-- ARGV  1 batch id   2 user
-- Returns  "forgotten" | "unfinished"

local id, user = ARGV[1], ARGV[2]
local known = redis.call('HMGET', KEY.batch .. id, 'user', 'status', 'idempotency', 'bytes', 'items_bytes')
if known[2] == 'running' or (known[1] and known[1] ~= user) then return 'unfinished' end

redis.call('DEL', KEY.batch .. id, KEY.batch_ended .. id, KEY.batch_turns .. id)
redis.call('ZREM', KEY.batches .. user, id)
count_bytes(user, -((tonumber(known[4]) or 0) + (tonumber(known[5]) or 0)))
redis.call('SREM', KEY.batches_open .. user, id)
redis.call('ZREM', KEY.batches_due, due_member(user, id))
if known[3] then redis.call('DEL', KEY.idempotency .. user .. ':' .. known[3]) end
return 'forgotten'
