-- KEYS: values, order, usage. ARGV: quota, the cost of a key, key, value, the most keys.
local quota, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local key, value = ARGV[3], ARGV[4]
local keys = redis.call('HLEN', KEYS[1])
if keys >= tonumber(ARGV[5]) then
  return 'crowded'
end
if redis.call('HEXISTS', KEYS[1], key) == 1 then
  return 'differs'
end
local used = tonumber(redis.call('HGET', KEYS[3], 'used') or 0)
local after = used + #key + #value
if after + (keys + 1) * cost > quota then
  return 'full'
end
redis.call('HSET', KEYS[1], key, value)
redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[3], 'last', 1), key)
redis.call('HSET', KEYS[3], 'used', after)
return 'done'
