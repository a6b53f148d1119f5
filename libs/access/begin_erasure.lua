-- Shut a user out for good, keys and all, and note that everything of theirs is to be erased.
-- Needs: records.lua facts.lua
--
-- ARGV  1 user   and who acts
-- Returns  "erasing" | "not_found"

local status = redis.call('HGET', KEY.user .. ARGV[1], 'status')
if not status then return 'not_found' end
if status == 'erasing' then return 'erasing' end

record_act('erase_user', ARGV[1], user_facts(ARGV[1]), '')
redis.call('HSET', KEY.user .. ARGV[1], 'status', 'erasing')
redis.call('ZADD', KEY.erasing, now, ARGV[1])
forget_keys_of(ARGV[1])
return 'erasing'
