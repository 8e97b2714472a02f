-- Take back the marks that `admit` made for messages of a batch which were not sent after all. Fenced; safe to repeat.
-- To be called before the ledger is told that they are pending again: from then on they may be admitted anew.
-- ARGV: id, number, token, operation id, digest of the registered text, per_s, fingerprints, 6 bytes each, then, if numbers are
--       counted, for each message its number and the seconds that `admit` replied
-- Reply: 1 | 0 the lease went to somebody else. O(messages).
local id, number, token, operation = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local digest, per, prints = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local campaign = campaign_key(id)
local batch = campaign .. ':b:' .. number
local held = redis.call('HMGET', batch, 'token', 'took_back')
if held[1] ~= token then return 0 end
if held[2] == operation then return 1 end
local own, buckets = said_hashes(digest, id, tonumber(redis.call('HGET', campaign, 'total')))
for at = 1, #prints, 6 do
  local print = string.sub(prints, at, at + 5)
  redis.call('HDEL', own .. struct.unpack('>I4', print) % buckets, print)
end
for at = 8, #ARGV, 2 do
  local to, time = ARGV[at], tonumber(ARGV[at + 1])
  local key, field = TAG .. ':heard:' .. math.floor(time / per) .. ':' .. string.sub(to, 1, -6), string.sub(to, -5)
  local times = redis.call('HGET', key, field) or ''
  for place = 1, #times, 4 do
    if struct.unpack('>I4', times, place) == time then
      local rest = string.sub(times, 1, place - 1) .. string.sub(times, place + 4)
      if rest == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, rest) end
      break
    end
  end
end
redis.call('HSET', batch, 'took_back', operation)
return 1
