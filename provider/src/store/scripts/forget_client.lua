-- KEYS: session, clients. ARGV: client, consents. What a client has in a login is named in the index; those
-- keys lie in the same slot.
for i = 2, #ARGV do
  redis.call('HDEL', KEYS[1], 'k' .. ARGV[i], 'o' .. ARGV[i])
end
for _, member in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if member:sub(1, #ARGV[1]) == ARGV[1] then
    redis.call('DEL', member:sub(#ARGV[1] + 1))
    redis.call('ZREM', KEYS[2], member)
  end
end
return 1
