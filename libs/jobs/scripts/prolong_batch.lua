-- Keep a batch that was taken, or give it back until it is to be looked after again.
--
-- Who asked for a look meanwhile (an item was the last to end, the batch was canceled) is not overruled, nor who closed it:
-- then it is due when its retention is over.
-- Needs: clock.lua
--
-- ARGV  1 "<user> <batch id>"   2 ms from now
-- Returns  "kept" | "asked_for" | "over"

local score = tonumber(redis.call('ZSCORE', KEY.batches_due, ARGV[1]) or '0')
if score <= now then return 'asked_for' end
local closed = redis.call('HMGET', KEY.batch .. string.match(ARGV[1], '%S+$'), 'finished', 'retention')
if closed[1] and now < tonumber(closed[1]) + tonumber(closed[2]) * 1000 then return 'over' end

local at = now + tonumber(ARGV[2])
redis.call('ZADD', KEY.batches_due, 'XX', digits(at), ARGV[1])
return 'kept'
