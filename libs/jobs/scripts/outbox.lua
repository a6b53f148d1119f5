-- The outbox: what webhooks are to be told, written by the script that makes it true, so that none of it is lost.
--
-- An entry is written only when somebody asked for it: the thing itself by its own `hook`, or an endpoint of its user.
-- Needs: clock.lua

local OUTBOX_MAX = 1000000

local function asks_for(words, word)
  return words and string.find(' ' .. words .. ' ', ' ' .. word .. ' ', 1, true) ~= nil
end

-- Queue the event `family.word`. `about` is the id of what it is about, `sequence` its number among the events of that.
-- `hook` is what a record keeps of a webhook of its own: `<receiver> <word> <word> …`.
local function tell_outbox(user, family, word, about, sequence, hook)
  local event, own = family .. '.' .. word, asks_for(hook, word)
  if not own and not asks_for(redis.call('GET', KEY.webhook_wants .. user), event) then return end
  redis.call('XADD', KEY.outbox, 'MAXLEN', '~', OUTBOX_MAX, '*', 'event', event, 'user', user, 'about', about,
    'sequence', sequence, 'at', digits(now), 'receiver', own and string.match(hook, '^%S+') or '')
end

-- Queue a job's change of status. `job` has id and user, and where it has one webhook.
local function tell_webhook(job, status, version)
  tell_outbox(job.user, 'job', status, job.id, version, job.webhook)
end
