-- KEYS: family, revoked token, session. ARGV: now.
local now = tonumber(ARGV[1])
local revoked = redis.call('GET', KEYS[2])
if revoked and open('>BI8', revoked)[2] > now then
  return false
end
local f = get_family(KEYS[1], now)
if not f then
  return false
end
if f.bound then
  local s = get_session(KEYS[3], now)
  if not s or s.epoch ~= f.epoch then
    return false
  end
end
return { f.code, f.grant, f.session }
