-- Renew the leases a worker holds, and say which are not its own any more, or are to be stopped.
-- A worker that holds none comes by as well: its queues hear that it lives.
-- Needs: clock.lua fair.lua slots.lua silence.lua
--
-- ARGV  1 lease, ms   2 '1' for a newcomer   3 the worker's queues, separated by spaces   4… queue, id, fence of each
-- Returns  {id, "lost" | "cancel", …} for those only that need a word

local lease = tonumber(ARGV[1])
local words = {}

for queue in string.gmatch(ARGV[3], '%S+') do
  local heard = tonumber(redis.call('HGET', KEY.queue .. queue, 'heard'))
  if heard then heard = note_step(queue, heard) end
  if heard and ARGV[2] ~= '1' then note_silence(queue, heard, lease) end
  redis.call('HSET', KEY.queue .. queue, 'heard', digits(now))
end
for i = 4, #ARGV, 3 do
  local queue, id, fence = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local known = redis.call('HMGET', KEY.job .. id, 'fence', 'cancel', 'user', 'server')
  local current = known[3] and known[1] or redis.call('GET', KEY.arq_running .. id)
  local foreign_lapsed = not known[3] and not current and redis.call('ZSCORE', zset_of(queue), id)
  if current == fence or (foreign_lapsed and tonumber(foreign_lapsed) > READY_END) then
    redis.call('ZADD', zset_of(queue), 'XX', digits(now + lease), id)
    redis.call('SET', KEY.arq_running .. id, fence, 'PX', lease)
    if known[4] then hold_server_slot(known[4], id, lease) end
    if known[2] then
      words[#words + 1] = id
      words[#words + 1] = 'cancel'
    end
  else
    words[#words + 1] = id
    words[#words + 1] = 'lost'
  end
end
return words
