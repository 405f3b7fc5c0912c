-- KEYS: attempts from anywhere, from this browser, known browsers, consents. ARGV: now, free attempts, attempt,
-- browser, HMAC of the name ('' for a user). The rule is that of `oidc_protocol::limits`.
-- version, how many, last, attempt, name
local ATTEMPTS = '>BI4I8c16c32'
local FORGET, LONGEST = 900000, 300000
local now, free = tonumber(ARGV[1]), tonumber(ARGV[2])
local key = is_known(KEYS[3], ARGV[4], now) and KEYS[2] or KEYS[1]
local name = ARGV[5] == '' and string.rep('\0', 32) or ARGV[5]
local raw = redis.call('GET', key)
local count, last, again = 0, 0, false
if raw then
  local v = open(ATTEMPTS, raw)
  -- of another name: this one takes its place
  if v[5] == name and v[3] + FORGET > now then
    count, last, again = v[2], v[3], v[4] == ARGV[3]
  end
end
if not again then
  local pause = count < free and 0 or math.min(1000 * 2 ^ math.min(count - free, 20), LONGEST)
  local wait = last + pause - now
  if wait > 0 then
    return { wait }
  end
  count = math.min(count + 1, 4294967295)
  redis.call('SET', key, struct.pack(ATTEMPTS, VERSION, count, now, ARGV[3], name), 'PX', FORGET)
end
local answer = get_consents(KEYS[4], now)
table.insert(answer, 1, 0)
return answer
