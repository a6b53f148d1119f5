-- The turns in which a batch's items become jobs: as they were given, or as batch_turns says.
--
-- batch_turns STRING  of each turn the index of its item, two bytes, the higher one first

-- The items of the turns from `first` on, to `last` or all of them; of a batch that has turns.
local function each_from(batch, first, last)
  local packed = redis.call('GETRANGE', KEY.batch_turns .. batch.id, 2 * first, last and 2 * last + 1 or -1)
  local at = -1
  return function()
    at = at + 2
    local high, low = string.byte(packed, at, at + 1)
    return low and 256 * high + low
  end
end

-- The items of so many turns from `first` on.
local function items_of_turns(batch, first, count)
  local items = {}
  if batch.turns then
    for index in each_from(batch, first, first + count - 1) do items[#items + 1] = index end
  else
    for i = 1, count do items[i] = first + i - 1 end
  end
  return items
end
