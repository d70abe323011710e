-- KEYS: values, order, usage. ARGV: quota, key, value, the most keys.
local key, value = ARGV[2], ARGV[3]
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return 'crowded'
end
if redis.call('HEXISTS', KEYS[1], key) == 1 then
  return 'differs'
end
local used = tonumber(redis.call('HGET', KEYS[3], 'used') or 0)
local after = used + #key + #value
if after > tonumber(ARGV[1]) and after > used then
  return 'full'
end
redis.call('HSET', KEYS[1], key, value)
redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[3], 'last', 1), key)
redis.call('HSET', KEYS[3], 'used', after)
return 'done'
