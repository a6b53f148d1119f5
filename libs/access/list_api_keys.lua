-- A page of api keys, newest first; ids whose records have lapsed leave the list.
--
-- KEYS  1 the list: of one user, or of all
-- ARGV  1 the last api key of the page before, or ""   2 how many
-- Returns  a list of records | {} when that api key is unknown

local first = 0
if ARGV[1] ~= '' then
  local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
  if not rank then return {} end
  first = rank + 1
end

local page, lapsed, wanted = {}, {}, tonumber(ARGV[2])
repeat
  local ids = redis.call('ZREVRANGE', KEYS[1], first, first + wanted - #page - 1)
  first = first + #ids
  for _, id in ipairs(ids) do
    local digest = redis.call('GET', KEY.api_key_id .. id)
    if digest then
      page[#page + 1] = redis.call('HGETALL', KEY.api_key .. digest)
    else
      lapsed[#lapsed + 1] = id
    end
  end
until #ids == 0 or #page == wanted

for _, id in ipairs(lapsed) do redis.call('ZREM', KEYS[1], id) end
return page
