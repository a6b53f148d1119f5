-- Keep a batch that was taken, or give it back until it is to be looked after again.
--
-- Who asked for a look meanwhile (an item was the last to end, the batch was canceled) is not overruled.
-- Needs: clock.lua
--
-- ARGV  1 "<user> <batch id>"   2 ms from now
-- Returns  "kept" | "asked_for"

local score = tonumber(redis.call('ZSCORE', KEY.batches_due, ARGV[1]) or '0')
if score <= now then return 'asked_for' end

local at = now + tonumber(ARGV[2])
redis.call('ZADD', KEY.batches_due, 'XX', digits(at), ARGV[1])
return 'kept'
