-- How a server is now.
-- Needs: state.lua
--
-- Returns  {state, since when (ms) or '', why or '', slots taken, what it offers (names), last seen (ms) or '', version or '',
--           problems or ''}

local known = redis.call('HMGET', SERVER, 'sick', 'why', 'state', 'since', 'seen', 'version', 'problems')
local state = state_of(known[1])
local since = known[1] or (known[3] == state and known[4]) or ''
return {state, since, known[1] and known[2] or '', busy_slots(), redis.call('SCARD', KEY.offers .. NAME), known[5] or '',
  known[6] or '', known[7] or ''}
