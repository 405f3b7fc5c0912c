-- KEYS: session. ARGV: now.
local s = get_session(KEYS[1], tonumber(ARGV[1]))
return s and s.seen
