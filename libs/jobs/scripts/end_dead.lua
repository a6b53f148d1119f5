-- Take a job off the list of the dead: it has been submitted again.
-- Needs: clock.lua sha256.lua record.lua
--
-- ARGV  1 job   2 the new job   and who acts
-- Returns  "ended" | "not_found" when somebody else was faster

if redis.call('ZREM', KEY.dead, ARGV[1]) == 0 then return 'not_found' end
redis.call('HDEL', KEY.dead_owners, ARGV[1])
record_act('replay_job', ARGV[1], '', json_object('job_id', json_text(ARGV[2])))
return 'ended'
