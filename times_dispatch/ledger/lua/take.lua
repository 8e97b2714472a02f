-- Take the lease of a batch that was handed out, with a new fencing token.
-- ARGV: id, number, lease in ms, taker (unique to this call: its repetition gets the same answer)
-- Reply: {'taken', token, count, payload} | {'busy'} somebody holds it | {'gone'} nothing is owed. O(messages of the batch).
local id, number = ARGV[1], ARGV[2]
local campaign, member = campaign_key(id), id .. ':' .. number
local deadline = tonumber(redis.call('ZSCORE', TAG .. ':leases', member) or nil)
if not deadline then return {'gone'} end
local batch, messages = campaign .. ':b:' .. number, campaign .. ':m:' .. number
local held = redis.call('HMGET', batch, 'token', 'taker', 'count')
if held[1] and held[2] == ARGV[4] then
  return {'taken', tonumber(held[1]), tonumber(held[3]), redis.call('GET', campaign .. ':p:' .. number)}
end
if held[1] then return {'busy'} end
local now = now_us()
local count = batch_count(campaign, tonumber(number))
if redis.call('EXISTS', messages) == 0 then
  redis.call('SET', messages, string.rep('p', count) .. string.rep('\0', count * WIDTH))
end
-- A power cut may take the last second of the ledger with it, and so the count of tokens: the clock goes on meanwhile. A double
-- holds its microseconds exactly until the year 2255.
local token = math.max(tonumber(redis.call('HGET', TAG .. ':pace', 'fence')) + 1, now)
redis.call('HSET', TAG .. ':pace', 'fence', string.format('%.0f', token))
redis.call('ZADD', TAG .. ':leases', math.floor(now / 1000) + tonumber(ARGV[3]), member)
redis.call('HSET', batch, 'token', string.format('%.0f', token), 'taker', ARGV[4], 'low', 0, 'blocks', 0, 'count', count)
return {'taken', token, count, redis.call('GET', campaign .. ':p:' .. number)}
