-- KEYS: values, order, usage. ARGV: keys.
for _, key in ipairs(ARGV) do
  local length = redis.call('HSTRLEN', KEYS[1], key)
  if redis.call('HDEL', KEYS[1], key) == 1 then
    redis.call('ZREM', KEYS[2], key)
    redis.call('HINCRBY', KEYS[3], 'used', 0 - #key - length)
  end
end
return 'done'
