-- KEYS: a value that may be used once. ARGV: attempt, how long to remember it. 1: it was not known, or by this
-- very attempt, whose first answer was lost.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 1
end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
