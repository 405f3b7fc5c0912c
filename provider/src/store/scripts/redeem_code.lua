-- KEYS: code, family to open, session, clients. ARGV: now, attempt, digest of the code, ring version, end of the
-- access tokens, absolute end of the refresh tokens ('' for none), idle time, '1' if bound, retry window,
-- client.
-- The family that a replay revokes was opened by another attempt: its key is made here, in the same slot.
local now = tonumber(ARGV[1])
local raw = redis.call('GET', KEYS[1])
if not raw then
  return { 0 }
end
if raw:byte(2) == KIND_TOMBSTONE then
  local t = open(TOMBSTONE, raw)
  local stop, retry, name, attempt = t[3], t[4], t[5], t[6]
  if stop <= now then
    return { 0 }
  end
  local key = KEYS[2]:sub(1, -#name - 1) .. name
  if key == KEYS[2] and attempt == ARGV[2] and now <= retry then
    local f = get_family(key, now)
    if f then
      return { 1, f.grant, f.session }
    end
  end
  redis.call('DEL', key)
  return { 2, name }
end
local v = open(CODE, raw)
local stop, epoch, grant, record = v[3], v[4], v[5], v[6]
if v[2] ~= KIND_CODE then
  error('a code makes no sense')
end
if stop <= now then
  return { 0 }
end
local bound = ARGV[8] == '1'
if bound then
  local s = get_session(KEYS[3], now)
  if not s or s.epoch ~= epoch then
    return { 0 }
  end
end
local tokens, absolute, idle = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local window = now + tonumber(ARGV[9])
put_family(KEYS[2], {
  bound = bound, refreshes = absolute ~= nil, generation = 0, ring = tonumber(ARGV[4]), rotated = now,
  tokens = tokens, absolute = absolute or 0, idle = idle, idle_ends = math.min(absolute or 0, now + idle),
  epoch = epoch, code = ARGV[3], grant = grant, session = record,
}, now)
-- the last rotation may come just before the absolute end, and its access token lives as long again
local ends = math.max(window, tokens, absolute and absolute + math.max(tokens - now, 0) or 0)
local tombstone = struct.pack(TOMBSTONE, VERSION, KIND_TOMBSTONE, ends, window, KEYS[2]:sub(-22), ARGV[2])
redis.call('SET', KEYS[1], tombstone, 'PX', ttl(ends, now))
note(KEYS[4], ARGV[10], KEYS[2], ends, now)
return { 1, grant, record }
