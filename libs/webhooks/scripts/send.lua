-- Send one event to one endpoint of a user, whatever it asks for: to try it.
-- Needs: clock.lua receivers.lua message.lua
--
-- ARGV  1 user   2 endpoint   3 event   4 what it is about   5 something that no other event has
-- Returns  {"sent", id} | {"not_found"} | {"disabled"} | {"full"}

local known = redis.call('HMGET', KEY.webhook .. ARGV[2], 'user', 'disabled')
if known[1] ~= ARGV[1] then return {'not_found'} end
if known[2] then return {'disabled'} end

local event = {event = ARGV[3], user = ARGV[1], about = ARGV[4], sequence = 0, at = digits(now), seed = ARGV[5]}
local id = deliver(ARGV[2], ARGV[2], event)
return id and {'sent', id} or {'full'}
