-- KEYS: last uses, processes. ARGV: since when a new store can be believed, how long all is kept (ms), the
-- process, the number of its report, since and until when it reports, whether it ends, and of each use the time
-- and the name. Other times are seconds. 1: noted; 0: the report before is not there.
local kept, process, number = ARGV[2], ARGV[3], tonumber(ARGV[4])
local raw = redis.call('HGET', KEYS[2], process)
local before = raw and open(RUN, raw)[2]
if number > 0 and before ~= number and before ~= number - 1 then
  return 0
end
redis.call('HSETNX', KEYS[2], 'since', ARGV[1])
for i = 8, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'GT', ARGV[i], ARGV[i + 1])
end
local run = struct.pack(RUN, VERSION, number, tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
redis.call('HSET', KEYS[2], process, run)
redis.call('PEXPIRE', KEYS[1], kept)
redis.call('PEXPIRE', KEYS[2], kept)
return 1
