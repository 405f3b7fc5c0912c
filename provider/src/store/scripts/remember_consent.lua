-- KEYS: consents, kept logins. ARGV: now, consent, record, end[, login, until when it is kept].
local now, stop = tonumber(ARGV[1]), tonumber(ARGV[4])
redis.call('HSET', KEYS[1], ARGV[2], struct.pack('>BI8', VERSION, stop) .. ARGV[3])
keep(KEYS[1], stop, now)
if ARGV[5] then
  keep_login(KEYS[2], ARGV[5], ARGV[6], now)
end
return 1
