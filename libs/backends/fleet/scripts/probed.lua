-- Tell how a probe went. A sick server is taken back once its probes went well for long enough: twice as long after each
-- fault that followed closely on another.
-- Needs: clock.lua state.lua
--
-- ARGV  2 '1' when it went well   3 for how long a sick one must be well, ms   4 and at most
--       5 what the server said of itself, JSON   6 its slots   7… queues whose jobs may wait for it
-- Returns  {state, the state before}

local SLOTS_MAX = 10000
local good, slots = ARGV[2] == '1', tonumber(ARGV[6])
local known = redis.call('HMGET', SERVER, 'sick', 'good', 'faults', 'state', 'since', 'probed')
local sick, good_since = known[1], math.min(tonumber(known[2]) or now, now)
local enough = math.min(tonumber(ARGV[4]), tonumber(ARGV[3]) * 2 ^ ((tonumber(known[3]) or 1) - 1))
local recovers = sick and good and now - good_since >= enough
local state = state_of(sick and not recovers)

redis.call('HSET', SERVER, 'probed', now)
-- A slot that a job has lost would else be kept for as long as the clock has stepped back.
local step = stepped_back(known[6])
if step > 0 then set_back(KEY.slots .. NAME, step, SLOTS_MAX) end
if recovers then redis.call('HDEL', SERVER, 'sick', 'why', 'good') end
if good then
  redis.call('HSET', SERVER, 'seen', now, 'version', ARGV[5])
  if sick and not recovers then redis.call('HSET', SERVER, 'good', good_since) end
else
  redis.call('HDEL', SERVER, 'good')
end
if state ~= known[4] then redis.call('HSET', SERVER, 'state', state, 'since', now) end
redis.call('EXPIRE', SERVER, KEPT_S)
if state == 'well' and known[4] ~= 'well' then ring_all(7, slots) end
return {state, known[4] or ''}
