-- KEYS: values. ARGV: the most bytes to give, keys.
-- The values, or nothing if they are more than that.
local room = tonumber(table.remove(ARGV, 1))
for _, key in ipairs(ARGV) do
  room = room - redis.call('HSTRLEN', KEYS[1], key)
end
if room < 0 then
  return false
end
if #ARGV == 0 then
  return {}
end
return redis.call('HMGET', KEYS[1], unpack(ARGV))
