-- KEYS: family, session. ARGV: now, presented generation, ring version of the successor, grace, end of
-- the access token made now.
local now, presented = tonumber(ARGV[1]), tonumber(ARGV[2])
local f = get_family(KEYS[1], now)
if not f or refresh_ends(f) <= now then
  return { 0 }
end
local s
if f.bound then
  s = get_session(KEYS[2], now)
  if not s or s.epoch ~= f.epoch then
    redis.call('DEL', KEYS[1])
    return { 0 }
  end
end
if presented > f.generation or f.generation >= 4294967295 then
  return { 0 }
end
local repeated = presented == f.generation - 1 and now - f.rotated <= tonumber(ARGV[4])
if presented < f.generation and not repeated then
  redis.call('DEL', KEYS[1])
  return { 3 }
end
f.tokens = math.max(f.tokens, tonumber(ARGV[5]))
if not repeated then
  f.generation, f.ring, f.rotated = f.generation + 1, tonumber(ARGV[3]), now
  f.idle_ends = math.max(f.idle_ends, math.min(f.absolute, now + f.idle))
  if s then
    touch(KEYS[2], s, now)
  end
end
put_family(KEYS[1], f, now)
return { repeated and 2 or 1, f.code, f.grant, f.session, f.ring, s and s.ends or 0 }
