-- KEYS: logins by end, logins by entry, their records. ARGV: now.
local now, answer = tonumber(ARGV[1]), {}
local entries = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for i = 1, #entries, 2 do
  local tag = entries[i]
  local stop, record = redis.call('ZSCORE', KEYS[1], tag), redis.call('HGET', KEYS[3], tag)
  if not stop or not record or record:byte(1) ~= VERSION then
    error('a login makes no sense')
  end
  if tonumber(stop) > now then
    answer[#answer + 1] = tag
    answer[#answer + 1] = tonumber(entries[i + 1])
    answer[#answer + 1] = record:sub(2)
  end
end
return answer
