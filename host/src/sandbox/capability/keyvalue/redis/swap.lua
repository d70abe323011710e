-- KEYS: values, order, usage. ARGV: quota, the cost of a key, key, the old value, the new one (none: the key is removed).
local quota, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local key, old, new = ARGV[3], ARGV[4], ARGV[5]
if redis.call('HGET', KEYS[1], key) ~= old then
  return 'differs'
end
local used = tonumber(redis.call('HGET', KEYS[3], 'used') or 0)
if not new then
  redis.call('HDEL', KEYS[1], key)
  redis.call('ZREM', KEYS[2], key)
  redis.call('HSET', KEYS[3], 'used', used - #key - #old)
  return 'done'
end
local after = used + #new - #old
if after + redis.call('HLEN', KEYS[1]) * cost > quota and after > used then
  return 'full'
end
redis.call('HSET', KEYS[1], key, new)
redis.call('HSET', KEYS[3], 'used', after)
return 'done'
