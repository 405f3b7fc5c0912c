-- KEYS: attempts from an address. ARGV: now, attempt, interval, window. As `oidc_protocol::limits::pace`.
-- version, until when they reach, last attempt
local REACH = '>BI8c16'
local now, interval, window = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local raw, reach = redis.call('GET', KEYS[1]), 0
if raw then
  local v = open(REACH, raw)
  if v[3] == ARGV[2] then
    return 0
  end
  reach = v[2]
end
local next_reach = math.max(reach, now) + interval
local wait = next_reach - now - math.max(window, interval)
if wait > 0 then
  return wait
end
redis.call('SET', KEYS[1], struct.pack(REACH, VERSION, next_reach, ARGV[2]), 'PX', whole(next_reach - now))
return 0
