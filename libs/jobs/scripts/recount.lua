-- Count the bytes of a user's records anew: a record that was left to expire took nothing away.
-- Needs: record_bytes.lua
--
-- ARGV  1 user   2 records at most: one who has more is left alone   3 '1' to look only
-- Returns  {bytes as they were counted, bytes that there are} | {} when there are too many

local user, most = ARGV[1], tonumber(ARGV[2])
if redis.call('ZCARD', KEY.jobs .. user) + redis.call('ZCARD', KEY.batches .. user) > most then return {} end
local found = 0
for _, id in ipairs(redis.call('ZRANGE', KEY.jobs .. user, 0, -1)) do
  found = found + (tonumber(redis.call('HGET', KEY.job .. id, 'bytes')) or 0)
end
for _, id in ipairs(redis.call('ZRANGE', KEY.batches .. user, 0, -1)) do
  local known = redis.call('HMGET', KEY.batch .. id, 'bytes', 'items_bytes')
  found = found + (tonumber(known[1]) or 0) + (tonumber(known[2]) or 0)
end
local counted = record_bytes(user)

if ARGV[3] ~= '1' then count_bytes(user, found - counted) end
return {counted, found}
