-- Pause, drain or resume a queue.
-- Needs: clock.lua fair.lua sha256.lua record.lua
--
-- ARGV  1 queue   2 what: pause | drain | resume   and who acts
--   pause    nothing is claimed, everything is admitted
--   drain    nothing is admitted, everything is claimed
--   resume   neither any more; workers are woken
-- Returns  "changed" | "same"

local queue, what, at = ARGV[1], ARGV[2], KEY.queue .. ARGV[1]
local FIELD = {pause = 'paused', drain = 'draining'}

local function facts()
  local known = redis.call('HMGET', at, 'paused', 'draining')
  return json_object('paused', tostring(known[1] == '1'), 'draining', tostring(known[2] == '1'))
end

local before = facts()

if FIELD[what] then
  redis.call('HSET', at, FIELD[what], 1)
else
  redis.call('HDEL', at, 'paused', 'draining')
  ring(queue, BELL_MAX)
end
local after = facts()
if before == after then return 'same' end
record_act(what .. '_queue', queue, before, after)
return 'changed'
