-- Take, keep or let go of the turn to complete a pending upload: one at a time, for as long as it says that it lives.
-- Needs: clock.lua kept.lua
--
-- ARGV  1 upload id   2 user   3 who asks, a word of its own   4 for how long, ms; 0 = let go
-- Returns  "held" | "busy": somebody else has it | "free": it was let go | its status, when it is settled | "not_found"

local record = KEY.upload .. ARGV[1]
local found = redis.call('HMGET', record, 'user', 'status', 'completing', 'completing_until')
if found[1] ~= ARGV[2] then return 'not_found' end
if found[2] ~= 'pending' then return found[2] end
local span = tonumber(ARGV[4])
if found[3] and found[3] ~= ARGV[3] and still(tonumber(found[4]), COMPLETING_MS) then return 'busy' end

if span == 0 then
  redis.call('HDEL', record, 'completing', 'completing_until')
  return 'free'
end
local lasts = math.min(span, COMPLETING_MS)
redis.call('HSET', record, 'completing', ARGV[3], 'completing_until', digits(now + lasts))
return 'held'
