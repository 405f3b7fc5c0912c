-- KEYS: consents. ARGV: now, consent, record, end.
local now, stop = tonumber(ARGV[1]), tonumber(ARGV[4])
redis.call('HSET', KEYS[1], ARGV[2], struct.pack('>BI8', VERSION, stop) .. ARGV[3])
keep(KEYS[1], stop, now)
return 1
