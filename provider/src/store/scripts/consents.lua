-- KEYS: consents. ARGV: now. Drops what has ended.
local now = tonumber(ARGV[1])
local all, live = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local version, stop = struct.unpack('>BI8', all[i + 1])
  if version ~= VERSION then
    error('a consent makes no sense')
  end
  if stop > now then
    live[#live + 1] = all[i]
    live[#live + 1] = all[i + 1]:sub(10)
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return live
