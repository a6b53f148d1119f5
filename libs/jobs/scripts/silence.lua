-- Whether Redis was away. Workers let every queue of theirs hear of them three times a lease; when none was heard for
-- half of one, no worker is to blame for a lease that ran out: each gets one more to show up. It is Redis that finds
-- out, so what a worker sent before an outage, and Redis reads only after it, does no harm.
-- A newcomer cannot tell an outage from there having been no worker at all, and so does not try.
-- Needs: clock.lua

-- Until when leases are spared from now on; nil when nothing was amiss. `heard` is when the queue was last heard of.
local function note_silence(queue, heard, lease)
  if now - heard <= lease / 2 then return nil end
  redis.call('HSET', KEY.queue .. queue, 'spare_until', digits(now + lease))
  return now + lease
end
