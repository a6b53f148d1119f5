-- The versions of a workflow, and taking one from the shelf.
-- Needs: clock.lua
--
-- A retired version cannot be ordered any more, and stays for the jobs that were ordered before. Its number is not given
-- again, even when the whole workflow was retired and somebody registers one of its name: what a job says of its version
-- stays true.

local function version_key(digest, number)
  return KEY.workflow_version .. digest .. ':' .. number
end

local function facts(number)
  return string.format('{"version":%s}', number)
end

local function retire(digest, number, kept_ms)
  redis.call('HSET', version_key(digest, number), 'retired', now)
  redis.call('PEXPIRE', version_key(digest, number), kept_ms)
  redis.call('ZREM', KEY.workflow_versions .. digest, number)
end
