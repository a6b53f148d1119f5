-- The rest of a batch: what has not become jobs. It ends as a whole, and what was reserved for it comes back.
-- Needs: clock.lua settle.lua record_bytes.lua batch.lua turns.lua

-- The members of a batch's record that scripts decide by, or nil when there is none.
local BATCH = {
  'user', 'queue', 'kind', 'status', 'items', 'next', 'units_left', 'day', 'deadline', 'cancel', 'left', 'block_items',
  'idempotency', 'retention', 'items:queued', 'items:canceled', 'webhook', 'turns', 'items_bytes',
}

local function load_batch(id)
  local values = redis.call('HMGET', KEY.batch .. id, unpack(BATCH))
  if not values[1] then return nil end
  local batch = {id = id}
  for i, name in ipairs(BATCH) do batch[name] = values[i] or nil end
  for _, name in ipairs({'items', 'next', 'units_left', 'deadline', 'left', 'block_items', 'items:queued', 'items_bytes'}) do
    batch[name] = tonumber(batch[name]) or 0
  end
  return batch
end

-- How many items of each block have not become jobs.
local function rest_by_block(batch)
  local found = {}
  if batch.turns then
    for index in each_from(batch, batch.next) do
      local block = math.floor(index / batch.block_items)
      found[block] = (found[block] or 0) + 1
    end
    return found
  end
  for block = math.floor(batch.next / batch.block_items), math.floor((batch.items - 1) / batch.block_items) do
    local first = math.max(batch.next, block * batch.block_items)
    found[block] = math.min((block + 1) * batch.block_items, batch.items) - first
  end
  return found
end

-- `status` is canceled or expired. Nothing of it ever started, so nothing of it is paid for.
local function end_rest(batch, status)
  local rest = batch.items - batch.next
  if rest == 0 then return end
  local record = KEY.batch .. batch.id
  settle_units('refund', batch.user, batch.id, batch.day, batch.units_left, batch.kind)
  redis.call('HSET', record, 'next', batch.items, 'units_left', 0, 'items_bytes', 0, 'rest_from', batch.next, 'rest_status', status)
  redis.call('HINCRBY', record, 'items:' .. status, rest)
  count_bytes(batch.user, -batch.items_bytes)
  for block, items in pairs(rest_by_block(batch)) do count_ended(batch.user, batch.id, block, items) end
end
