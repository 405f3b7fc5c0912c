-- Stands before every script. Times are milliseconds. What has ended by the caller's clock (`now`) is
-- not there; its key outlives that by SLACK, so that the clocks of two pods may differ.
-- A record is a packed string that starts with its version. One that does not unpack is an error,
-- never "not found".
local SLACK = 60000
local VERSION = 1
-- version, kind, end, epoch of the session, grant, session
local CODE = '>BBI8c8I4c0I4c0'
-- version, kind, end, end of the retry window, name of the family, attempt
local TOMBSTONE = '>BBI8I8c22c16'
-- version, flags, generation, ring version, rotated at, end of the access tokens, absolute end of the
-- refresh tokens, idle time, idle end, epoch of the session, code, grant, session
local FAMILY = '>BBI4I4I8I8I8I8I8c8c32I4c0I4c0'
-- version, number of the report, since, until, whether it ended; times are seconds
local RUN = '>BI4I8I8B'
local KIND_CODE, KIND_TOMBSTONE = 0, 1
local BOUND, REFRESHES = 1, 2

local function whole(number)
  return string.format('%.0f', number)
end

-- Time to live of a key that means nothing after `stop`.
local function ttl(stop, now)
  return whole(math.max(stop - now, 0) + SLACK)
end

-- For a key with many ends in it: never shortens its time to live.
local function keep(key, stop, now)
  local wanted = ttl(stop, now)
  if redis.call('PTTL', key) < tonumber(wanted) then
    redis.call('PEXPIRE', key, wanted)
  end
end

-- Keeps a login of a user, of which something may outlive the session.
local function keep_login(key, tag, stop, now)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now - SLACK))
  redis.call('ZADD', key, 'GT', stop, tag)
  keep(key, tonumber(stop), now)
end

-- Notes in the index of a login that a key is a client's until `stop`.
local function note(index, client, key, stop, now)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', whole(now - SLACK))
  redis.call('ZADD', index, whole(stop), client .. key)
  keep(index, stop, now)
end

local function open(format, raw)
  local values = { struct.unpack(format, raw) }
  if values[1] ~= VERSION or values[#values] ~= #raw + 1 then
    error('a record makes no sense')
  end
  return values
end

-- The session at `key`; nil if there is none or it has ended.
local function get_session(key, now)
  local f = redis.call('HMGET', key, 'c', 'r', 'u', 'i', 'x', 'e', 't')
  local s = {
    cookie = f[1], record = f[2], stop = tonumber(f[3]), idle = tonumber(f[4]), ends = tonumber(f[5]), epoch = f[6],
    seen = tonumber(f[7]),
  }
  if not s.cookie and redis.call('EXISTS', key) == 0 then
    return nil
  end
  if not (s.cookie and s.record and s.stop and s.idle and s.ends and s.epoch and #s.epoch == 8 and s.seen) then
    error('a session makes no sense')
  end
  if s.ends <= now then
    return nil
  end
  return s
end

local function touch(key, s, now)
  s.ends = math.max(s.ends, math.min(s.stop, now + s.idle))
  s.seen = math.max(s.seen, now)
  redis.call('HSET', key, 'x', whole(s.ends), 't', whole(s.seen))
  redis.call('PEXPIRE', key, ttl(s.ends, now))
end

-- Until when a family's refresh tokens live; 0 without any.
local function refresh_ends(f)
  return f.refreshes and math.min(f.absolute, f.idle_ends) or 0
end

local function get_family(key, now)
  local raw = redis.call('GET', key)
  if not raw then
    return nil
  end
  local v = open(FAMILY, raw)
  local f = {
    bound = v[2] % 2 == BOUND, refreshes = v[2] >= REFRESHES, generation = v[3], ring = v[4], rotated = v[5],
    tokens = v[6], absolute = v[7], idle = v[8], idle_ends = v[9], epoch = v[10], code = v[11], grant = v[12],
    session = v[13],
  }
  if math.max(f.tokens, refresh_ends(f)) <= now then
    return nil
  end
  return f
end

local function put_family(key, f, now)
  local flags = (f.bound and BOUND or 0) + (f.refreshes and REFRESHES or 0)
  local raw = struct.pack(
    FAMILY, VERSION, flags, f.generation, f.ring, f.rotated, f.tokens, f.absolute, f.idle, f.idle_ends, f.epoch,
    f.code, #f.grant, f.grant, #f.session, f.session
  )
  redis.call('SET', key, raw, 'PX', ttl(math.max(f.tokens, refresh_ends(f)), now))
end

-- The consents at `key` that have not ended: name, record, … Drops those that have.
local function get_consents(key, now)
  local all, live = redis.call('HGETALL', key), {}
  for i = 1, #all, 2 do
    local version, stop = struct.unpack('>BI8', all[i + 1])
    if version ~= VERSION then
      error('a consent makes no sense')
    end
    if stop > now then
      live[#live + 1] = all[i]
      live[#live + 1] = all[i + 1]:sub(10)
    else
      redis.call('HDEL', key, all[i])
    end
  end
  return live
end

-- Whether a user signed in in a browser: until when is its score in the set at `key`.
local function is_known(key, browser, now)
  local until_when = tonumber(redis.call('ZSCORE', key, browser) or 0)
  return until_when > now
end
