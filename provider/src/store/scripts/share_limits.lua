-- KEYS: an attempt, buckets. ARGV: now, how long the attempt is known (ms), farthest, clocks, and what each
-- bucket is to take. Other times are microseconds. As `oidc_protocol::limits::shared::tally`; -1: nothing is told.
-- version, until when it reaches
local REACH = '>BI8'
local now, farthest, clocks = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local is_new = redis.call('SET', KEYS[1], VERSION, 'NX', 'PX', ARGV[2])
local told = {}
for i = 2, #KEYS do
  local raw, reach = redis.call('GET', KEYS[i]), 0
  if raw then
    reach = open(REACH, raw)[2]
  end
  if reach > now + farthest + clocks then
    told[i - 1] = -1
  else
    local from = math.max(reach, now)
    told[i - 1] = from
    if is_new then
      local next_reach = math.max(from, math.min(from + tonumber(ARGV[i + 3]), now + farthest))
      local left = math.ceil((next_reach - now) / 1000)
      redis.call('SET', KEYS[i], struct.pack(REACH, VERSION, next_reach), 'PX', whole(math.max(left, 1)))
      told[i - 1] = next_reach
    end
  end
end
return told
