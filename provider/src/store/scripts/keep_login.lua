-- KEYS: kept logins. ARGV: now, login, until when it is kept.
keep_login(KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[1]))
return 1
