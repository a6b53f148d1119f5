-- Let go of a user's finished jobs, whose records lie in the archive now.
--
-- A record that is not as it was archived (another version) stays, and is archived once more. What has no record left
-- was let go of by somebody else, or expired.
-- Needs: record_bytes.lua
--
-- ARGV  1 user   2… id and version of each; '-' for a record that cannot be archived: it is left to expire
-- Returns  how many were let go

local FINISHED = {succeeded = true, failed = true, canceled = true, expired = true}
local user, gone = ARGV[1], {}

for i = 2, #ARGV, 2 do
  local known = redis.call('HMGET', KEY.job .. ARGV[i], 'user', 'status', 'version', 'bytes')
  if not known[1] or ARGV[i + 1] == '-' then
    gone[#gone + 1] = {id = ARGV[i]}
  elseif known[1] == user and FINISHED[known[2]] and known[3] == ARGV[i + 1] then
    gone[#gone + 1] = {id = ARGV[i], archived = true, bytes = tonumber(known[4]) or 0}
  end
end

local count, bytes = 0, 0
for _, job in ipairs(gone) do
  redis.call('ZREM', KEY.finished .. user, job.id)
  if job.archived then
    redis.call('UNLINK', KEY.job .. job.id, KEY.events .. job.id)
    redis.call('ZREM', KEY.jobs .. user, job.id)
    count, bytes = count + 1, bytes + job.bytes
  end
end
count_bytes(user, -bytes)
local oldest = redis.call('ZRANGE', KEY.finished .. user, 0, 0, 'WITHSCORES')
if oldest[1] then
  redis.call('ZADD', KEY.archiving, oldest[2], user)
else
  redis.call('ZREM', KEY.archiving, user)
end
return count
