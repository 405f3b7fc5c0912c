-- KEYS: session. ARGV: now.
local s = get_session(KEYS[1], tonumber(ARGV[1]))
redis.call('DEL', KEYS[1])
return s and 1 or 0
