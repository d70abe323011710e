-- KEYS: values, order, usage. ARGV: quota, the cost of a key, key, what to add.
-- The new number as text: a Lua number keeps only 53 bits.
local quota, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local key = ARGV[3]
local old = redis.call('HGET', KEYS[1], key)
if old and old ~= '0' and not string.find(old, '^[1-9]%d*$') then
  return 'not a number'
end
local answer = redis.pcall('HINCRBY', KEYS[1], key, ARGV[4])
if type(answer) == 'table' then
  if string.find(answer.err, 'overflow') then
    return 'overflow'
  end
  if string.find(answer.err, 'not an integer') then
    return 'not a number'
  end
  return answer
end
local new = redis.call('HGET', KEYS[1], key)
local used = tonumber(redis.call('HGET', KEYS[3], 'used') or 0)
local after = used + #new - (old and #old or -#key)
if after + redis.call('HLEN', KEYS[1]) * cost > quota and after > used then
  if old then
    redis.call('HSET', KEYS[1], key, old)
  else
    redis.call('HDEL', KEYS[1], key)
  end
  return 'full'
end
if not old then
  redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[3], 'last', 1), key)
end
redis.call('HSET', KEYS[3], 'used', after)
return new
