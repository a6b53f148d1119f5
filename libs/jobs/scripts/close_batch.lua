-- Write the one terminal status of a batch, all of whose items have ended, once its results are stored.
-- Needs: clock.lua settle.lua outbox.lua batch.lua turns.lua rest.lua
--
-- ARGV  1 batch id   2 size of the results, bytes   3 their SHA-256
-- Returns  now (ms) | 0 when it was closed already, or is not over

local IDEMPOTENCY_KEPT_S = 86400
local TURNS_KEPT_S = 60
local batch = load_batch(ARGV[1])
if not batch or batch.status ~= 'running' or batch.left > 0 then return 0 end

local status = batch.cancel and (tonumber(batch['items:canceled']) or 0) > 0 and 'canceled' or 'finished'
redis.call('HSET', KEY.batch .. batch.id, 'status', status, 'finished', digits(now),
  'results_bytes', ARGV[2], 'results_sha256', ARGV[3])
redis.call('DEL', KEY.batch_ended .. batch.id)
-- Whoever read the record before this may still ask for the turns.
redis.call('EXPIRE', KEY.batch_turns .. batch.id, TURNS_KEPT_S)
redis.call('SREM', KEY.batches_open .. batch.user, batch.id)
redis.call('ZADD', KEY.batches_due, digits(now + tonumber(batch.retention) * 1000), due_member(batch.user, batch.id))
if batch.idempotency then
  redis.call('EXPIRE', KEY.idempotency .. batch.user .. ':' .. batch.idempotency, IDEMPOTENCY_KEPT_S)
end
tell_outbox(batch.user, 'batch', status, batch.id, 0, batch.webhook)
return now
