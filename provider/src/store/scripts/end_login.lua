-- KEYS: session, mark of a login that was ended. ARGV: now, how long it gets no session.
local s = get_session(KEYS[1], tonumber(ARGV[1]))
redis.call('SET', KEYS[2], '', 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return s and 1 or 0
