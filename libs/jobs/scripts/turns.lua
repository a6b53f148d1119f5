-- The turns in which a batch's items become jobs: as they were given, or as batch_turns says.
--
-- batch_turns STRING  of each turn the index of its item, two bytes, the higher one first

-- The items of so many turns, from `first` on.
local function items_of_turns(batch, first, count)
  local key, items = KEY.batch_turns .. batch.id, {}
  local packed = batch.turns and redis.call('GETRANGE', key, 2 * first, 2 * (first + count) - 1) or ''
  for i = 1, count do
    local high, low = string.byte(packed, 2 * i - 1, 2 * i)
    items[i] = low and 256 * high + low or first + i - 1
  end
  return items
end
