-- KEYS: session, mark of a login that was ended. ARGV: now, cookie, record, end, idle, epoch, then pairs: consent, its record.
-- The epoch of a session lives on when it is replaced: families and codes of an ended one have another.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
local now, stop, idle = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local old = get_session(KEYS[1], now)
local ends = math.min(stop, now + idle)
-- consents that count in this session alone live on with it
local own = {}
if old then
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    if #fields[i] > 1 and fields[i]:sub(1, 1) == 'o' then
      own[fields[i]] = fields[i + 1]
    end
  end
end
redis.call('DEL', KEYS[1])
redis.call(
  'HSET', KEYS[1], 'c', ARGV[2], 'r', ARGV[3], 'u', ARGV[4], 'i', ARGV[5], 'x', whole(ends), 'e',
  old and old.epoch or ARGV[6], 't', ARGV[1]
)
for i = 7, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'k' .. ARGV[i], ARGV[i + 1])
end
for field, record in pairs(own) do
  redis.call('HSET', KEYS[1], field, record)
end
redis.call('PEXPIRE', KEYS[1], ttl(ends, now))
return 1
