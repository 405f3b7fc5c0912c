-- KEYS: logins by end, logins by entry, what the last call took out, attempts from anywhere, from this
-- browser, known browsers. ARGV: now, tag, end, limit, browser, how long it is known, how many are.
-- Taking out is not idempotent, so a retry (same login, same time) is told again.
local now, limit = tonumber(ARGV[1]), tonumber(ARGV[4])
local function remove(tag)
  redis.call('ZREM', KEYS[1], tag)
  redis.call('ZREM', KEYS[2], tag)
end
for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])) do
  remove(tag)
end
redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[1], ARGV[2])
local taken, over = {}, redis.call('ZCARD', KEYS[2]) - limit
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
keep(KEYS[1], tonumber(last[2]), now)
keep(KEYS[2], tonumber(last[2]), now)
redis.call('DEL', is_known(KEYS[6], ARGV[5], now) and KEYS[5] or KEYS[4])
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', ARGV[1])
redis.call('ZADD', KEYS[6], 'GT', whole(now + tonumber(ARGV[6])), ARGV[5])
local browsers = redis.call('ZRANGE', KEYS[6], 0, -tonumber(ARGV[7]) - 1)
for _, browser in ipairs(browsers) do
  if browser ~= ARGV[5] then
    redis.call('ZREM', KEYS[6], browser)
  end
end
keep(KEYS[6], now + tonumber(ARGV[6]), now)
local call = ARGV[2] .. struct.pack('>I8', now)
if #taken > 0 then
  redis.call('SET', KEYS[3], call .. table.concat(taken), 'PX', '10000')
else
  local told = redis.call('GET', KEYS[3])
  if told and told:sub(1, #call) == call then
    for i = #call + 1, #told, 16 do
      taken[#taken + 1] = told:sub(i, i + 15)
    end
  end
end
return taken
