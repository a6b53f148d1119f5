-- What decides whether a list shows a job, and how many bytes it would cost to read it. Nothing of these is read here.
--
-- ARGV  ids of jobs
-- Returns  of each {user, status, kind, created, bytes}, or false where there is no record

local LARGE = {'payload', 'output', 'metadata', 'artifacts', 'webhook_to', 'error', 'progress'}
local found = {}
for i, id in ipairs(ARGV) do
  local record = KEY.job .. id
  local known = redis.call('HMGET', record, 'user', 'status', 'kind', 'created')
  found[i] = false
  if known[1] then
    local bytes = redis.call('STRLEN', KEY.arq_job .. id)
    for _, name in ipairs(LARGE) do bytes = bytes + redis.call('HSTRLEN', record, name) end
    known[5] = bytes
    found[i] = known
  end
end
return found
