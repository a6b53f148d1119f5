-- The slots of the fleet's servers: which jobs hold one.
--
-- A job holds a slot for as long as a prompt of its may live at the server: while it runs, and after its worker was lost
-- or handed it back, until it is claimed again or ends. So nobody is given a server that is still at work for a worker
-- that died. Every ending frees the slot; that it also lapses by itself is for what no ending comes for.
--
-- slots ZSET  ids of jobs by the time, ms, at which their slot lapses: to release one twice does not matter
-- The record's member `server` says whose slot a job holds.
-- Needs: clock.lua fair.lua

local SLOT_KEPT_MS = 60000 -- beyond the job's own lease or delay

local function hold_server_slot(server, id, for_ms)
  return redis.call('ZADD', KEY.slots .. server, digits(now + for_ms + SLOT_KEPT_MS), id)
end

local function free_server_slot(job)
  if not job.server then return end
  redis.call('HDEL', KEY.job .. job.id, 'server')
  if redis.call('ZREM', KEY.slots .. job.server, job.id) == 1 then ring(job.queue, 1) end
  job.server = nil
end

-- What a job last submitted to a backend: a table with backend and ref, or an empty one.
local function read_submission(stored)
  local good, told = pcall(cjson.decode, stored or '')
  return good and type(told) == 'table' and told or {}
end

-- The job goes back unfinished: its slot stays its own while its prompt may live, so that it is resumed there.
local function keep_or_free_server_slot(job, delay)
  if job.server and read_submission(job.submission).backend == job.server then
    hold_server_slot(job.server, job.id, delay)
  else
    free_server_slot(job)
  end
end
