-- Whether Redis was away. Workers let every queue of theirs hear of them three times a lease; when none was heard for
-- half of one, no worker is to blame for a lease that ran out: each gets one more to show up. It is Redis that finds
-- out, so what a worker sent before an outage, and Redis reads only after it, does no harm.
-- A newcomer cannot tell an outage from there having been no worker at all, and so does not try.
--
-- The same word tells that the clock stepped back: it lies ahead then. What was to come in seconds would be hours away:
-- leases of workers that have died, retries, waits. What was scheduled for a time stays as it is.
--
-- queue HASH  heard; spare_until: no lease runs out before; silent_from, silent_until: the last silence, in which nobody is
--             taken to have used a slot
-- Needs: clock.lua fair.lua

local SPARE_MAX_MS = 60000 -- the longest lease of a deployment
local SET_BACK_MAX = 10000

-- Until when leases are spared from now on; nil when nothing was amiss. `heard` is when the queue was last heard of.
local function note_silence(queue, heard, lease)
  if now - heard <= lease / 2 then return nil end
  redis.call('HSET', KEY.queue .. queue, 'spare_until', digits(now + lease))
  if heard > 0 then redis.call('HSET', KEY.queue .. queue, 'silent_from', digits(heard), 'silent_until', digits(now)) end
  return now + lease
end

local function is_relative(id)
  local status = redis.call('HGET', KEY.job .. id, 'status')
  if status then return status ~= 'scheduled' end
  return redis.call('EXISTS', KEY.arq_running .. id) == 1
end

-- Have the queue's times keep step with a clock that has stepped back since it was last heard of. Returns when it was
-- heard of, by the clock as it is.
local function note_step(queue, heard)
  local step = stepped_back(heard)
  if step == 0 then return heard end
  set_back(zset_of(queue), step, SET_BACK_MAX, is_relative, '(' .. digits(HELD))
  redis.call('HSET', KEY.queue .. queue, 'heard', digits(now))
  return now
end
