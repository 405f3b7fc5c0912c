-- KEYS: consents, logins by end, kept logins by end. ARGV: now, consent. Returns each login once.
redis.call('HDEL', KEYS[1], ARGV[2])
local seen, tags = {}, {}
for i = 2, 3 do
  for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[i], '(' .. ARGV[1], '+inf')) do
    if not seen[tag] then
      seen[tag] = true
      tags[#tags + 1] = tag
    end
  end
end
return tags
