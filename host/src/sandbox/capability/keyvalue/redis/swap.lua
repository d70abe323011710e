-- KEYS: values, order, usage. ARGV: quota, key, the old value, the new one (none: the key is removed).
local key, old, new = ARGV[2], ARGV[3], ARGV[4]
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
if after > tonumber(ARGV[1]) and after > used then
  return 'full'
end
redis.call('HSET', KEYS[1], key, new)
redis.call('HSET', KEYS[3], 'used', after)
return 'done'
