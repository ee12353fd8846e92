-- The store's time, and what lies under KEYS[3] and those after it, up to the
-- one that brings the answer above ARGV[1] bytes.
-- KEYS[2] is never there. Taking it away is a write that does nothing, except
-- that a server which is no primary refuses it: what is read is decided upon.
redis.call('DEL', KEYS[2])
local t = redis.call('TIME')
local s = redis.call('HMGET', KEYS[1], 'last', 'behind')
local now = t[1] * 1000000 + t[2] + tonumber(s[2] or 0)
local out, size = {math.max(now, tonumber(s[1] or 0))}, 0
for i = 3, #KEYS do
  local raw = redis.call('GET', KEYS[i])
  out[#out + 1] = raw
  size = size + (raw and #raw or 0)
  if size > tonumber(ARGV[1]) then break end
end
return out
