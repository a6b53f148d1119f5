-- A page of users, newest first.
--
-- ARGV  1 the last user of the page before, or ""   2 how many
-- Returns  a list of {id, record} | {} when that user is unknown

local first = 0
if ARGV[1] ~= '' then
  local rank = redis.call('ZREVRANK', KEY.users, ARGV[1])
  if not rank then return {} end
  first = rank + 1
end

local page = {}
for i, id in ipairs(redis.call('ZREVRANGE', KEY.users, first, first + ARGV[2] - 1)) do
  page[i] = {id, redis.call('HGETALL', KEY.user .. id)}
end
return page
