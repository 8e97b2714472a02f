-- Say when the hours of a campaign are next, once the last ones are over. Safe to repeat, and late: until then nothing goes.
-- ARGV: id, opens_ms, closes_ms
-- Reply: 1 the hours are known, 0 nothing more goes from it. O(1).
local id, opens, closes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local campaign, hours = campaign_key(id), TAG .. ':hours'
local about = redis.call('HMGET', campaign, 'state', 'start_ms', 'closes_ms')
if about[1] ~= 'running' and about[1] ~= 'paused' and about[1] ~= 'braked' then
  redis.call('ZREM', hours, id)
  return 0
end
if closes > tonumber(about[3]) then
  redis.call('HSET', campaign, 'opens_ms', opens, 'closes_ms', closes)
  redis.call('ZADD', hours, closes, id)
  redis.call('SADD', TAG .. ':moved', id)
  if about[1] == 'running' then
    redis.call('ZREM', TAG .. ':rotation' .. lane(campaign), id)
    redis.call('ZADD', TAG .. ':waiting', math.max(opens, tonumber(about[2])), id)
  end
end
return 1
