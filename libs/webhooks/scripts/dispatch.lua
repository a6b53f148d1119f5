-- Make deliveries of the oldest outbox entries, one for each endpoint that asked, and take the entries out. Of a user who
-- was erased meanwhile nothing is told.
-- Needs: clock.lua receivers.lua message.lua
--
-- ARGV  1 how many entries at most
-- Returns  how many entries were taken out: none when there are none

local MADE_MAX = 50 -- and what one more entry asks for: each delivery holds Redis up for about 50 µs
local entries = redis.call('XRANGE', KEY.outbox, '-', '+', 'COUNT', ARGV[1])
local endpoints, ids, made = {}, {}, 0

local function endpoints_of(user)
  if not endpoints[user] then
    endpoints[user] = {}
    for _, id in ipairs(redis.call('ZRANGE', KEY.user_webhooks .. user, 0, -1)) do
      local known = redis.call('HMGET', KEY.webhook .. id, 'events', 'disabled')
      if known[1] and not known[2] then table.insert(endpoints[user], {id, ' ' .. known[1] .. ' '}) end
    end
  end
  return endpoints[user]
end

local function deliver_all(event)
  if event.receiver ~= '' and redis.call('EXISTS', KEY.webhook .. event.user) == 1 then
    deliver(event.user, event.receiver, event)
    made = made + 1
  end
  for _, endpoint in ipairs(endpoints_of(event.user)) do
    if string.find(endpoint[2], ' ' .. event.event .. ' ', 1, true) then
      deliver(endpoint[1], endpoint[1], event)
      made = made + 1
    end
  end
end

for _, entry in ipairs(entries) do
  if made >= MADE_MAX then break end
  local event = {seed = entry[1]}
  for i = 1, #entry[2], 2 do event[entry[2][i]] = entry[2][i + 1] end
  deliver_all(event)
  ids[#ids + 1] = entry[1]
end
if #ids > 0 then redis.call('XDEL', KEY.outbox, unpack(ids)) end
return #ids
