-- KEYS: last uses, processes. ARGV: until when all is forgotten, and from when on uses are asked for, in seconds.
-- Returns since when it can be believed, the processes (name, since, until, whether it ended), and the uses (name,
-- time); nil if there is nothing.
local forgotten = tonumber(ARGV[1])
local since = redis.call('HGET', KEYS[2], 'since')
if not since then
  return nil
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
local all, runs = redis.call('HGETALL', KEYS[2]), {}
for i = 1, #all, 2 do
  if all[i] ~= 'since' then
    local run = open(RUN, all[i + 1])
    if run[4] > forgotten then
      runs[#runs + 1] = { all[i], run[3], run[4], run[5] }
    else
      redis.call('HDEL', KEYS[2], all[i])
    end
  end
end
return { tonumber(since), runs, redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], '+inf', 'WITHSCORES') }
