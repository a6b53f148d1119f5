-- Which server of the fleet runs a job: the least loaded one that is well, has a free slot and offers what the job needs.
-- Among equals one that has just run the same models has them loaded; else it is the turn of whoever waited longest.
--
-- A job whose prompt may live at a server goes back there. While that server is away it is waited for, as long as the
-- job's slot is kept; then, or when the server is sick, the job goes elsewhere, and the prompt it leaves is noted among
-- the server's strays, to be ended before anything is given to it again.
--
-- A job's `needs` is the name of the fleet and digests of what it loads, separated by spaces; `avoid` a server that it is
-- not to be given while there is another. What is unknown is taken for offered: the worker finds out.
-- Needs: clock.lua slots.lua

local STRAYS_KEPT_S, SERVER_KEPT_S = 86400, 86400
local fleet, server_named, stuck = {}, {}, {}
local all_spared_until = 0 -- until then no lease runs out (silence.lua), and no slot lapses

for name, slots in string.gmatch(ARGV[8], '(%S+):(%d+)') do
  local server = {name = name, slots = tonumber(slots), offered = {}}
  fleet[#fleet + 1] = server
  server_named[name] = server
end

-- How a server is now, read once for each claim.
local function look_at(server)
  if server.busy then return end
  local known = redis.call('HMGET', KEY.server .. server.name, 'sick', 'given', 'loaded')
  server.sick, server.given, server.loaded = known[1], tonumber(known[2]) or 0, known[3]
  server.well = not server.sick and redis.call('HEXISTS', KEY.breaker .. server.name, 'open_until') == 0
  local from = all_spared_until > now and '-inf' or '(' .. digits(now)
  server.busy = redis.call('ZCOUNT', KEY.slots .. server.name, from, '+inf')
end

local function offers(server, needs)
  if server.offered[needs] == nil then
    local names, found = {}, true
    for name in string.gmatch(needs, ' (%S+)') do names[#names + 1] = name end
    if #names > 0 and redis.call('EXISTS', KEY.offers .. server.name) == 1 then
      for _, is_there in ipairs(redis.call('SMISMEMBER', KEY.offers .. server.name, unpack(names))) do
        found = found and is_there == 1
      end
    end
    server.offered[needs] = found
  end
  return server.offered[needs]
end

local function is_better(one, other, needs)
  local load, other_load = one.busy / one.slots, other.busy / other.slots
  if load ~= other_load then return load < other_load end
  if (one.loaded == needs) ~= (other.loaded == needs) then return one.loaded == needs end
  return one.given < other.given
end

local function find_server(needs, avoid)
  if stuck[needs] then return nil end
  local best, last_resort, has_other
  for _, server in ipairs(fleet) do
    look_at(server)
    if server.well and offers(server, needs) then
      local free = server.busy < server.slots
      if server.name == avoid then
        last_resort = free and server
      else
        has_other = true
        if free and (not best or is_better(server, best, needs)) then best = server end
      end
    end
  end
  if best then return best end
  if not last_resort then stuck[needs] = true end
  return not has_other and last_resort or nil
end

-- The server that has the job's prompt; nil while it is to be waited for, false when the job is to go elsewhere.
local function find_server_of_prompt(id, name)
  local server = server_named[name]
  if server then look_at(server) end
  if server and server.sick then return false end
  local is_kept = (tonumber(redis.call('ZSCORE', KEY.slots .. name, id)) or 0) > now
  if server and server.well then return (is_kept or server.busy < server.slots) and server or nil end
  if is_kept then return nil end
  return false
end

local function leave_stray(name, submission)
  local told = read_submission(submission)
  if told.backend ~= name or type(told.ref) ~= 'string' then return end
  redis.call('SADD', KEY.strays .. name, told.ref)
  redis.call('EXPIRE', KEY.strays .. name, STRAYS_KEPT_S)
end

-- `job` has needs, server, avoid and submission, as its record has them. Returns a server, or nil when none can take it.
local function choose_server(id, job)
  if not job.server then return find_server(job.needs, job.avoid) end
  local server = find_server_of_prompt(id, job.server)
  if server ~= false then return server end
  return find_server(job.needs, job.server)
end

local function take_server_slot(id, job, server, lease)
  if job.server and job.server ~= server.name then
    leave_stray(job.server, job.submission)
    redis.call('ZREM', KEY.slots .. job.server, id)
  end
  if all_spared_until <= now then redis.call('ZREMRANGEBYSCORE', KEY.slots .. server.name, '-inf', digits(now)) end
  if hold_server_slot(server.name, id, lease) == 1 then server.busy = server.busy + 1 end
  server.given, server.loaded = now, job.needs
  redis.call('HSET', KEY.server .. server.name, 'given', digits(now), 'loaded', job.needs)
  redis.call('EXPIRE', KEY.server .. server.name, SERVER_KEPT_S)
  redis.call('HSET', KEY.job .. id, 'server', server.name)
end
