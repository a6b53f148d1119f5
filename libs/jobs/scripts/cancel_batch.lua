-- Cancel a user's batch: what has not become jobs ends at once, the rest is canceled job by job by a worker.
-- Needs: clock.lua settle.lua batch.lua turns.lua rest.lua
--
-- ARGV  1 batch id   2 user
-- Returns  "not_found" | "requested" | "canceled" (it was) | "finished"

local batch = load_batch(ARGV[1])
if not batch or batch.user ~= ARGV[2] then return 'not_found' end
if batch.status ~= 'running' then return batch.status end
if batch.cancel then return 'requested' end

redis.call('HSET', KEY.batch .. batch.id, 'cancel', digits(now))
end_rest(batch, 'canceled')
look_now(batch.user, batch.id)
return 'requested'
