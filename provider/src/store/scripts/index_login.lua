-- KEYS: logins by end, logins by entry, their records, what the last call took out, attempts from anywhere,
-- from this browser, known browsers. ARGV: now, tag, end, limit, '1' to refuse one beyond the limit, record,
-- browser, how long it is known, how many are.
-- Taking out is not idempotent, so a retry (same login, same time) is told again.
local now, limit, refuse = tonumber(ARGV[1]), tonumber(ARGV[4]), ARGV[5] == '1'
local function remove(tag)
  redis.call('ZREM', KEYS[1], tag)
  redis.call('ZREM', KEYS[2], tag)
  redis.call('HDEL', KEYS[3], tag)
end
for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])) do
  remove(tag)
end
-- the password was right, whatever comes of it
redis.call('DEL', is_known(KEYS[7], ARGV[7], now) and KEYS[6] or KEYS[5])
redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', ARGV[1])
redis.call('ZADD', KEYS[7], 'GT', whole(now + tonumber(ARGV[8])), ARGV[7])
local browsers = redis.call('ZRANGE', KEYS[7], 0, -tonumber(ARGV[9]) - 1)
for _, browser in ipairs(browsers) do
  if browser ~= ARGV[7] then
    redis.call('ZREM', KEYS[7], browser)
  end
end
keep(KEYS[7], now + tonumber(ARGV[8]), now)
if refuse and not redis.call('ZSCORE', KEYS[2], ARGV[2]) and redis.call('ZCARD', KEYS[2]) >= limit then
  return { 0 }
end
redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], string.char(VERSION) .. ARGV[6])
local taken, over = {}, refuse and 0 or redis.call('ZCARD', KEYS[2]) - limit
if over > 0 then
  -- one more than needed: the login itself is never taken out, whatever the clocks say
  for _, tag in ipairs(redis.call('ZRANGE', KEYS[2], 0, over)) do
    if #taken < over and tag ~= ARGV[2] then
      remove(tag)
      taken[#taken + 1] = tag
    end
  end
end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
for i = 1, 3 do
  keep(KEYS[i], tonumber(last[2]), now)
end
local call = ARGV[2] .. struct.pack('>I8', now)
if #taken > 0 then
  redis.call('SET', KEYS[4], call .. table.concat(taken), 'PX', '10000')
else
  local told = redis.call('GET', KEYS[4])
  if told and told:sub(1, #call) == call then
    for i = #call + 1, #told, 16 do
      taken[#taken + 1] = told:sub(i, i + 15)
    end
  end
end
return { 1, unpack(taken) }
