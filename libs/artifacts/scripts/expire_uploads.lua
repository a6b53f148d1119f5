-- Expire uploads that are due, and say which objects are to be removed. An upload stays due until its object is gone,
-- so a sweep that is interrupted, or that two workers do at once, is simply done again.
-- Needs: clock.lua
--
-- ARGV  1 how many at most
-- Returns  {id, user, created (ms), the store's id of an upload in parts or '', id, …}

local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.uploads, '-inf', digits(now), 'LIMIT', 0, ARGV[1])) do
  local record = KEY.upload .. id
  local found = redis.call('HMGET', record, 'user', 'created', 'status', 'multipart')
  if not found[1] then
    redis.call('ZREM', KEY.uploads, id)
  else
    if found[3] ~= 'refused' then redis.call('HSET', record, 'status', 'expired') end
    redis.call('ZREM', KEY.user_uploads .. found[1], id)
    due[#due + 1] = id
    due[#due + 1] = found[1]
    due[#due + 1] = found[2]
    due[#due + 1] = found[4] or ''
  end
end
return due
