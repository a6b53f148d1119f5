-- Expire jobs whose deadline passed while they waited: held ones first to lapse, and a page of ready ones.
-- Needs: clock.lua fair.lua slots.lua settle.lua tell.lua gate.lua batch.lua ending.lua
--
-- ARGV  1 queue   2 how many at most   3 offset into the ready band
-- Returns  {expired, offset to go on from; 0 when the ready band was read to its end}

local queue, most, offset = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local zset = zset_of(queue)
local expired = 0

for _, id in ipairs(redis.call('ZRANGEBYSCORE', zset, digits(HELD), digits(HELD + now), 'LIMIT', 0, most)) do
  local job = load_record(id)
  if job then
    finish_unstarted(job, 'expired')
    expired = expired + 1
  else
    redis.call('ZREM', zset, id)
  end
end
local ready = redis.call('ZRANGEBYSCORE', zset, '-inf', '(' .. digits(READY_END), 'LIMIT', offset, most)
for _, id in ipairs(ready) do
  local known = redis.call('HMGET', KEY.job .. id, 'deadline', 'waiting')
  if known[1] and not known[2] and tonumber(known[1]) <= now then
    finish_unstarted(load_record(id), 'expired')
    expired = expired + 1
  end
end
local deferred = redis.call('ZRANGEBYSCORE', zset, digits(READY_END), '(' .. digits(HELD), 'LIMIT', offset, most)
for _, id in ipairs(deferred) do
  local known = redis.call('HMGET', KEY.job .. id, 'deadline', 'status')
  if known[1] and known[2] == 'queued' and tonumber(known[1]) <= now then
    finish_unstarted(load_record(id), 'expired')
    expired = expired + 1
  end
end
if #ready < most and #deferred < most then return {expired, 0} end
return {expired, offset + most}
