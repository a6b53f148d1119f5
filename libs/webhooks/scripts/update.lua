-- Change an endpoint. Enabled again it is well until it shows otherwise, and goes on with what was pending.
-- Needs: clock.lua receivers.lua wants.lua
--
-- ARGV  1 user   2 endpoint   3 enable | disable | ''   4… members: name, value, …
-- Returns  "updated" | "not_found"

local user, endpoint = ARGV[1], ARGV[2]
local record = KEY.webhook .. endpoint
if redis.call('HGET', record, 'user') ~= user then return 'not_found' end

if #ARGV > 3 then redis.call('HSET', record, unpack(ARGV, 4)) end
if ARGV[3] == 'enable' then
  redis.call('HDEL', record, 'disabled', 'disabled_at', 'failing')
  redis.call('DEL', KEY.receiver .. endpoint)
elseif ARGV[3] == 'disable' and redis.call('HEXISTS', record, 'disabled') == 0 then
  redis.call('HSET', record, 'disabled', 'owner', 'disabled_at', digits(now))
end
note_wants(user)
index(endpoint)
return 'updated'
