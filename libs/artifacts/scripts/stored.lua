-- How many bytes a user has in the object store, and all users together (under the name `all`).
--
-- stored HASH  uploads     as announced, until an upload's object is removed
--              artifacts   until their jobs' retention is over
--              lapse:<day>  the artifacts among them that lapse on that day (since the epoch)
--              day         up to which lapsed days are taken out of `artifacts`
-- So artifacts free themselves by the calendar: whoever removes the objects, and how often, the sum is right.
-- Needs: clock.lua

local STORED_DAY_MS = 86400000
local STORED_BY_ALL = 'all'

local function stored_today()
  return math.floor(now / STORED_DAY_MS)
end

-- Bytes of artifacts that have lapsed and are not taken out yet, and under which days they stand.
local function lapsed_bytes(key)
  local sum, fields, members = 0, {}, redis.call('HGETALL', key)
  for i = 1, #members, 2 do
    local day = string.match(members[i], '^lapse:(%d+)$')
    if day and tonumber(day) < stored_today() then
      sum = sum + tonumber(members[i + 1])
      fields[#fields + 1] = members[i]
    end
  end
  return sum, fields
end

local function stored_bytes(user)
  local key = KEY.stored .. user
  local known = redis.call('HMGET', key, 'uploads', 'artifacts', 'day')
  local sum = (tonumber(known[1]) or 0) + (tonumber(known[2]) or 0)
  if known[3] and tonumber(known[3]) < stored_today() then sum = sum - lapsed_bytes(key) end
  return sum
end

local function forget_lapsed(key)
  local day = redis.call('HGET', key, 'day')
  if day and tonumber(day) >= stored_today() then return end
  local sum, fields = lapsed_bytes(key)
  if #fields > 0 then
    redis.call('HINCRBY', key, 'artifacts', digits(-sum))
    redis.call('HDEL', key, unpack(fields))
  end
  redis.call('HSET', key, 'day', digits(stored_today()))
end

-- Count an upload in, or with a negative number out.
local function count_upload(user, bytes)
  redis.call('HINCRBY', KEY.stored .. user, 'uploads', digits(bytes))
  redis.call('HINCRBY', KEY.stored .. STORED_BY_ALL, 'uploads', digits(bytes))
end

-- Count the artifacts of a job in; they count up to the end of the day on which its retention is over.
local function count_artifacts(user, bytes, retention_s)
  local lapses = 'lapse:' .. digits(math.floor((now + retention_s * 1000) / STORED_DAY_MS))
  for _, name in ipairs({user, STORED_BY_ALL}) do
    local key = KEY.stored .. name
    forget_lapsed(key)
    redis.call('HINCRBY', key, 'artifacts', digits(bytes))
    redis.call('HINCRBY', key, lapses, digits(bytes))
  end
end

-- A user is gone with all they had.
local function forget_stored(user)
  local key, all = KEY.stored .. user, KEY.stored .. STORED_BY_ALL
  forget_lapsed(key)
  forget_lapsed(all)
  local members = redis.call('HGETALL', key)
  for i = 1, #members, 2 do
    if members[i] ~= 'day' then redis.call('HINCRBY', all, members[i], digits(-tonumber(members[i + 1]))) end
  end
  redis.call('DEL', key)
end
