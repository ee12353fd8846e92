-- Put and Delete: compare, swap, and say so in the stream, or do nothing.
-- The first call that writes is XADD: what it, or anything before it, refuses
-- leaves all as it was.
local record, state, index, ends, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local key, old, nonce, life, kept, value = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]

-- The store's clock never goes back: where the server's did, or another server
-- has taken over, the difference is added from then on. Microseconds.
local t = redis.call('TIME')
local s = redis.call('HMGET', state, 'last', 'behind')
local now, last, behind = t[1] * 1000000 + t[2], tonumber(s[1] or 0), tonumber(s[2] or 0)
if now + behind < last then behind = last - now end
now = now + behind

local there = ''
local raw = redis.call('GET', record)
if raw then
  local version, ending = string.match(raw, '^1 (%S+) %d+ (%d+)\n')
  if not version then
    there = 'unreadable-' .. redis.sha1hex(raw)
  elseif ending == '0' or tonumber(ending) > now then
    there = version
  end
end
if life < 0 and there == '' then return {'absent'} end
if there ~= old then return {'conflict'} end

local function text(n) return string.format('%.0f', n) end
local version = redis.call('XADD', changes, 'MAXLEN', '~', kept, '*', 'key', key, 'nonce', nonce) .. '-' .. nonce
redis.call('HSET', state, 'last', text(now), 'behind', text(behind))
local ending = 0
if life < 0 then
  redis.call('DEL', record)
  redis.call('ZREM', index, key)
else
  redis.call('ZADD', index, 0, key)
end
if life > 0 then
  ending = now + life
  redis.call('ZADD', ends, text(ending), key)
else
  redis.call('ZREM', ends, key)
end
if life >= 0 then
  redis.call('SET', record, '1 ' .. version .. ' ' .. text(now) .. ' ' .. text(ending) .. '\n' .. value)
end

-- A write leaves at most one record that will expire and takes out up to
-- sixteen that have.
local names = string.sub(record, 1, #record - #key)
for _, k in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', text(now), 'LIMIT', 0, 16)) do
  redis.call('DEL', names .. k)
  redis.call('ZREM', index, k)
  redis.call('ZREM', ends, k)
end
return {'written', version, now, ending}
