-- Give a user's shares the weight and cap of the plan they have now, and promote what a raised cap makes room for.
--
-- Every admission does the same for its own queue; this is for what waits already.
-- Needs: clock.lua fair.lua
--
-- ARGV  1 user   2 plan   3 overrides   4 what an admin made of the plan, or '': what weight and cap were worked out from
--       5 weight   6 cap   7… queues
-- Returns  "reshared" | "changed" when user or plan are not what they were | "not_found"

local user = ARGV[1]
local known = redis.call('HMGET', KEY.user .. user, 'plan', 'overrides')
if not known[1] then return 'not_found' end
if known[1] ~= ARGV[2] or known[2] ~= ARGV[3] then return 'changed' end
if (redis.call('HGET', KEY.plans, known[1]) or '') ~= ARGV[4] then return 'changed' end

for i = 7, #ARGV do
  local share = KEY.share .. user .. ':' .. ARGV[i]
  if redis.call('EXISTS', share) == 1 then
    redis.call('HSET', share, 'weight', ARGV[5], 'cap', ARGV[6])
    promote(user, ARGV[i])
  end
end
return 'reshared'
