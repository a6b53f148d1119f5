-- Note that objects are being written for a batch which does not exist yet. When it never comes to exist, a worker finds
-- them by this, and removes them.
-- Needs: clock.lua batch.lua
--
-- ARGV  1 batch id   2 user   3 ms until it is given up

redis.call('ZADD', KEY.batches_due, digits(now + tonumber(ARGV[3])), due_member(ARGV[2], ARGV[1]))
return 'noted'
