-- Which uploads are to be looked at now: those whose URL may still be written to, or was until just now.
-- The next look is noted before this one is taken, so whoever dies over one only puts it off.
-- Needs: clock.lua kept.lua
--
-- ARGV  1 how many at most   2 ms until the next look
-- Returns  {id, user, id, user, …}

local most, pause = tonumber(ARGV[1]), tonumber(ARGV[2])
local ids = redis.call('ZRANGEBYSCORE', KEY.uploads_watched, '-inf', digits(now), 'LIMIT', 0, most)
-- No look lies further ahead than a pause: these were noted before the clock stepped back.
local astray = redis.call('ZRANGEBYSCORE', KEY.uploads_watched, '(' .. digits(now + pause), '+inf', 'LIMIT', 0, most - #ids)
for _, id in ipairs(astray) do ids[#ids + 1] = id end

local due = {}
for _, id in ipairs(ids) do
  local found = redis.call('HMGET', KEY.upload .. id, 'user', 'url_until')
  local last = tonumber(found[2] or 0) + GRACE_MS
  if not found[1] or last <= now then
    redis.call('ZREM', KEY.uploads_watched, id)
  else
    redis.call('ZADD', KEY.uploads_watched, digits(math.min(now + pause, last)), id)
  end
  if found[1] then
    due[#due + 1] = id
    due[#due + 1] = found[1]
  end
end
return due
