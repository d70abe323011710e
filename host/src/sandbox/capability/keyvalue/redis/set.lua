-- KEYS: values, order, usage. ARGV: quota, the cost of a key, then different keys, each with its value.
local quota, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local used = tonumber(redis.call('HGET', KEYS[3], 'used') or 0)
local after, new = used, 0
for i = 3, #ARGV, 2 do
  after = after + #ARGV[i + 1] - redis.call('HSTRLEN', KEYS[1], ARGV[i])
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then
    after = after + #ARGV[i]
    new = new + 1
  end
end
local keys = redis.call('HLEN', KEYS[1]) + new
if after + keys * cost > quota and after + new * cost > used then
  return 'full'
end
for i = 3, #ARGV, 2 do
  if redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[3], 'last', 1), ARGV[i])
  end
end
redis.call('HSET', KEYS[3], 'used', after)
return 'done'
