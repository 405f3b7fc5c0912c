-- KEYS: uses of a registration token, by attempt; under `b` how many more are known, under `u` its end. ARGV: now,
-- attempt, how many there are in all, how many are known otherwise, end of the token. 1: one is taken.
local key, now, attempt = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local most, known, stop = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local ends, others = unpack(redis.call('HMGET', key, 'u', 'b'))
if ends and tonumber(ends) <= now then
  redis.call('DEL', key)
  ends, others = false, false
end
if redis.call('HEXISTS', key, attempt) == 1 then
  return 1
end
local attempts = ends and redis.call('HLEN', key) - 2 or 0
others = math.max(tonumber(others or 0), known - attempts)
if attempts + others >= most then
  return 0
end
stop = math.max(stop, tonumber(ends or 0))
redis.call('HSET', key, 'u', whole(stop), 'b', whole(others), attempt, '')
keep(key, stop, now)
return 1
