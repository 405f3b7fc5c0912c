-- KEYS: family, session. ARGV: now, generation.
local now = tonumber(ARGV[1])
local f = get_family(KEYS[1], now)
if not f or refresh_ends(f) <= now or f.generation ~= tonumber(ARGV[2]) then
  return false
end
if f.bound then
  local s = get_session(KEYS[2], now)
  if not s or s.epoch ~= f.epoch then
    return false
  end
end
return { f.code, f.grant, f.session, refresh_ends(f) }
