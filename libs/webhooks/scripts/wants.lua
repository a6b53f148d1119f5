-- What the endpoints of a user ask for, all together: scripts that write the outbox read it and no endpoint.

local function note_wants(user)
  local seen, wants = {}, {}
  for _, id in ipairs(redis.call('ZRANGE', KEY.user_webhooks .. user, 0, -1)) do
    local known = redis.call('HMGET', KEY.webhook .. id, 'events', 'disabled')
    for event in string.gmatch(not known[2] and known[1] or '', '%S+') do
      if not seen[event] then wants[#wants + 1] = event end
      seen[event] = true
    end
  end
  if #wants > 0 then
    redis.call('SET', KEY.webhook_wants .. user, table.concat(wants, ' '))
  else
    redis.call('DEL', KEY.webhook_wants .. user)
  end
end
