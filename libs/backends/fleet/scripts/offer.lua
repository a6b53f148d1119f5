-- Write down what a server offers; when that is news, jobs may have waited for it.
-- Needs: state.lua
--
-- ARGV  2 digest of all of it   3 its slots   4 how many queues follow   5… the queues, then the digests of what is offered
-- Returns  "news" | "known"

local CHUNK = 1000
local queues = tonumber(ARGV[4])
local offers = KEY.offers .. NAME

if redis.call('HGET', SERVER, 'offered') == ARGV[2] and redis.call('EXPIRE', offers, KEPT_S) == 1 then return 'known' end
redis.call('DEL', offers)
for i = 5 + queues, #ARGV, CHUNK do
  redis.call('SADD', offers, unpack(ARGV, i, math.min(i + CHUNK - 1, #ARGV)))
end
redis.call('EXPIRE', offers, KEPT_S)
redis.call('HSET', SERVER, 'offered', ARGV[2])
redis.call('EXPIRE', SERVER, KEPT_S)
for i = 5, 4 + queues do
  for _ = 1, tonumber(ARGV[3]) do redis.call('LPUSH', KEY.bell .. ARGV[i], '1') end
  redis.call('LTRIM', KEY.bell .. ARGV[i], 0, BELL_MAX - 1)
end
return 'news'
