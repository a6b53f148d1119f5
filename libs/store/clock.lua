-- The one clock of everything: Redis's own, and what is to be believed of a time that was written down before.
-- `now` is in ms, `now_us` in µs since the epoch.
--
-- The clock may step back: a virtual machine is restored, a failover leads to a server whose clock is off. What was to
-- last for seconds would then last for as long as the step. So every such time has a span, the furthest that it can lie
-- ahead when it is written; what lies further ahead was written by another clock, and is over. Times that are meant, the
-- deadline of a job or the time that it is to start at, are compared with `now` itself.

local STEP_MIN_MS = 1000 -- clocks are slewed, and leap seconds told, by less

local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)

-- Numbers go back to Redis with all their digits: Lua's own tostring keeps only 14.
local function digits(x)
  return string.format('%.17g', x)
end

-- Whether a time (ms) that was written at most `span` ahead is still to come.
local function still(at, span)
  return at > now and at <= now + span
end

-- How many members of a ZSET of such times are still to come.
local function count_still(key, span)
  return redis.call('ZCOUNT', key, '(' .. digits(now), digits(now + span))
end

-- Take out the others.
local function drop_over(key, span)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', digits(now))
  redis.call('ZREMRANGEBYSCORE', key, '(' .. digits(now + span), '+inf')
end

-- By how many ms at least the clock has stepped back since it said `mark` (or nil); 0 when it has not.
local function stepped_back(mark)
  local step = (tonumber(mark) or now) - now
  return step > STEP_MIN_MS and step or 0
end

-- The clock has stepped back, and was last seen before that at now + `step`: what `concerns` of the first `most` members
-- of a ZSET of times comes as much earlier. So it is never early, and late by the age of that look at most.
-- Returns the members that were moved.
local function set_back(key, step, most, concerns, below)
  local moved = {}
  local ahead = redis.call('ZRANGEBYSCORE', key, '(' .. digits(now), below or '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #ahead, 2 do
    if not concerns or concerns(ahead[i]) then
      redis.call('ZADD', key, 'XX', digits(math.max(now, ahead[i + 1] - step)), ahead[i])
      moved[#moved + 1] = ahead[i]
    end
  end
  return moved
end
