-- The next keys of the index: from ARGV[1] to ARGV[2], at most ARGV[3].
-- KEYS[2] is never there; see the script that reads.
redis.call('DEL', KEYS[2])
return redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
