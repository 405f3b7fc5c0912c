-- For `authorize` and `grant`. KEYS: session[, code, clients]. ARGV: now, cookie, consent asked for ('' for
-- none), how it is written ('' not at all, 'k' as a copy, 'o' for this session alone), its record[, grant, end
-- of the code, client].
-- A code that is there is not overwritten: then this is a retry.
local now = tonumber(ARGV[1])
local s = get_session(KEYS[1], now)
if not s or s.cookie ~= ARGV[2] then
  return false
end
touch(KEYS[1], s, now)
local consent = false
if ARGV[3] ~= '' then
  if ARGV[4] ~= '' then
    redis.call('HSET', KEYS[1], ARGV[4] .. ARGV[3], ARGV[5])
  end
  local found = redis.call('HMGET', KEYS[1], 'o' .. ARGV[3], 'k' .. ARGV[3])
  consent = found[1] or found[2]
end
if KEYS[2] then
  local stop = tonumber(ARGV[7])
  local raw = struct.pack(CODE, VERSION, KIND_CODE, stop, s.epoch, #ARGV[6], ARGV[6], #s.record, s.record)
  redis.call('SET', KEYS[2], raw, 'PX', ttl(stop, now), 'NX')
  note(KEYS[3], ARGV[8], KEYS[2], stop, now)
end
return { s.record, consent, s.ends }
