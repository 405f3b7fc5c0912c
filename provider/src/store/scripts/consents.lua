-- KEYS: consents. ARGV: now.
return get_consents(KEYS[1], tonumber(ARGV[1]))
