-- KEYS: values, order, usage. ARGV: quota, then different keys, each with its value.
local used = tonumber(redis.call('HGET', KEYS[3], 'used') or 0)
local after = used
for i = 2, #ARGV, 2 do
  after = after + #ARGV[i + 1] - redis.call('HSTRLEN', KEYS[1], ARGV[i])
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then
    after = after + #ARGV[i]
  end
end
if after > tonumber(ARGV[1]) and after > used then
  return 'full'
end
for i = 2, #ARGV, 2 do
  if redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[3], 'last', 1), ARGV[i])
  end
end
redis.call('HSET', KEYS[3], 'used', after)
return 'done'
