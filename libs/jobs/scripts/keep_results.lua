-- Note up to how many ended items of a block the results are in the object store.
--
-- ARGV  1 batch id   2 block   3 items
-- Returns  "kept" | "stale" when as many were kept already, or the batch is over

local batch, ended = KEY.batch .. ARGV[1], KEY.batch_ended .. ARGV[1]
if redis.call('HGET', batch, 'status') ~= 'running' then return 'stale' end
local kept = tonumber(redis.call('HGET', ended, ARGV[2] .. ':kept')) or 0
if kept >= tonumber(ARGV[3]) then return 'stale' end

redis.call('HSET', ended, ARGV[2] .. ':kept', ARGV[3])
return 'kept'
