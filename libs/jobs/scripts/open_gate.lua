-- Say how many jobs the backend of a kind takes; who shut the gate keeps it shut.
--
-- ARGV  1 kind   2 places   3 in flight at most

redis.call('HSET', KEY.gate .. ARGV[1], 'places', ARGV[2], 'in_flight_max', ARGV[3])
