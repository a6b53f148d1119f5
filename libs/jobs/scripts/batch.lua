-- A batch's items by status, moved with an item's own status by whichever script moves that: each script is fenced, so
-- an item is counted once however often its worker says the same.
--
-- batch HASH  items:<status>: how many; left: how many have not ended
-- batch_ended HASH  <block>: how many items of a block have ended, so that results are gathered block by block
-- Needs: clock.lua

local function due_member(user, id)
  return user .. ' ' .. id
end

-- Have a worker look after the batch now.
local function look_now(user, id)
  redis.call('ZADD', KEY.batches_due, 'XX', now, due_member(user, id))
end

-- Count an item of a batch from the status that it has to another.
local function count_item(job, status)
  if not job.batch then return end
  redis.call('HINCRBY', KEY.batch .. job.batch, 'items:' .. job.status, -1)
  redis.call('HINCRBY', KEY.batch .. job.batch, 'items:' .. status, 1)
end

-- So many items of a batch have ended; of the last one, those who wait for the batch hear.
local function count_ended(user, id, block, ended)
  redis.call('HINCRBY', KEY.batch_ended .. id, block, ended)
  if redis.call('HINCRBY', KEY.batch .. id, 'left', -ended) > 0 then return end
  look_now(user, id)
  redis.call('PUBLISH', KEY.events .. id, digits(now) .. '-0 done {}')
end

local function count_ended_item(job, status)
  if not job.batch then return end
  count_item(job, status)
  local size = tonumber(redis.call('HGET', KEY.batch .. job.batch, 'block_items')) or 100
  count_ended(job.user, job.batch, math.floor(tonumber(job.item) / size), 1)
end
