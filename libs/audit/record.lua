-- Write an admin's act into the audit log, in the very script that does it: no act without its entry.
--
-- Each entry holds the hash of the one before it, and its own is over all its members: what is changed, taken out or
-- put in afterwards shows in every later hash (see libs.audit.chain).
-- The last three ARGV of a script that needs this say who acts: user, api key or '', request or ''.
-- Needs: a clock (now), sha256.lua

local CHAIN = {'n', 'at', 'actor', 'api_key', 'request', 'act', 'on', 'before', 'after', 'previous'}

local function json_text(value)
  return value and cjson.encode(value) or 'null'
end

-- A JSON object from name, JSON text, name, JSON text, …: numbers keep all their digits.
local function json_object(...)
  local words, members = {...}, {}
  for i = 1, #words, 2 do members[#members + 1] = '"' .. words[i] .. '":' .. words[i + 1] end
  return '{' .. table.concat(members, ',') .. '}'
end

-- `before` and `after` are JSON objects without secrets and without anything personal, or ''.
local function record_act(act, on, before, after)
  local last = redis.call('XREVRANGE', KEY.audit, '+', '-', 'COUNT', 1)[1]
  local known = {}
  for i = 1, last and #last[2] or 0, 2 do known[last[2][i]] = last[2][i + 1] end
  local entry = {
    n = string.format('%d', (tonumber(known.n) or 0) + 1), at = string.format('%.0f', now),
    actor = ARGV[#ARGV - 2], api_key = ARGV[#ARGV - 1], request = ARGV[#ARGV],
    act = act, on = on, before = before, after = after, previous = known.hash or '',
  }
  local words, chained = {}, {}
  for i, name in ipairs(CHAIN) do
    words[i * 2 - 1], words[i * 2] = name, entry[name]
    chained[i] = #entry[name] .. ':' .. entry[name] .. ','
  end
  words[#words + 1] = 'hash'
  words[#words + 1] = sha256(table.concat(chained))
  redis.call('XADD', KEY.audit, '*', unpack(words))
end
