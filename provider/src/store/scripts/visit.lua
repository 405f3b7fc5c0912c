-- For `authorize` and `grant`. KEYS: session[, code]. ARGV: now, cookie, consent asked for ('' for none),
-- '1' if its record is written, that record[, grant, end of the code].
-- A code that is there is not overwritten: then this is a retry.
local now = tonumber(ARGV[1])
local s = get_session(KEYS[1], now)
if not s or s.cookie ~= ARGV[2] then
  return false
end
touch(KEYS[1], s, now)
local consent = false
if ARGV[3] ~= '' then
  local field = 'k' .. ARGV[3]
  if ARGV[4] == '1' then
    redis.call('HSET', KEYS[1], field, ARGV[5])
  end
  consent = redis.call('HGET', KEYS[1], field)
end
if KEYS[2] then
  local stop = tonumber(ARGV[7])
  local raw = struct.pack(CODE, VERSION, KIND_CODE, stop, s.epoch, #ARGV[6], ARGV[6], #s.record, s.record)
  redis.call('SET', KEYS[2], raw, 'PX', ttl(stop, now), 'NX')
end
return { s.record, consent, s.ends }
