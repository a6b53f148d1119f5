-- How many bytes of a user's records Redis holds: what was ordered, and what came of it.
--
-- record_bytes STRING  the sum of the member `bytes` of the user's jobs and batches, and of the batches' `items_bytes`: what
--                      is left of their items' bytes, which go over to the jobs that the items become
-- Whoever writes a record adds what it has, whoever removes it takes as much away: the sum always balances. A record
-- that an older version wrote has no such member, and counts for nothing both times.

-- The bytes of the values among name, value, … which are strings.
local function bytes_of(words)
  local sum = 0
  for i = 2, #words, 2 do sum = sum + #words[i] end
  return sum
end

local function record_bytes(user)
  return tonumber(redis.call('GET', KEY.record_bytes .. user)) or 0
end

local function count_bytes(user, bytes)
  if bytes == 0 then return end
  local left = redis.call('INCRBY', KEY.record_bytes .. user, bytes)
  if left <= 0 then redis.call('DEL', KEY.record_bytes .. user) end
end
