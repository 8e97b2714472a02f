-- Let a wholly written campaign run. Safe to repeat.
-- ARGV: id, total, batches (as the producer counted them)
-- Reply: 1 sealed now, 0 it was sealed already; an error if the ledger counted otherwise. O(1).
local id = ARGV[1]
local campaign = campaign_key(id)
local about = redis.call('HMGET', campaign, 'state', 'total', 'batches', 'start_ms', 'until_ms', 'closes_ms')
if not about[1] then return redis.error_reply('NOCAMPAIGN the campaign is not there') end
if about[1] ~= 'submitting' then return 0 end
if about[2] ~= ARGV[2] or about[3] ~= ARGV[3] then
  return redis.error_reply('COUNT the ledger holds ' .. about[2] .. ' messages in ' .. about[3] .. ' batches')
end
local now = now_us()
local now_ms = math.floor(now / 1000)
redis.call('HSET', campaign, 'state', 'running', 'sealed_ms', now_ms)
redis.call('ZADD', TAG .. ':ends', about[5], id)
redis.call('SADD', TAG .. ':moved', id)
if about[6] then redis.call('ZADD', TAG .. ':hours', about[6], id) end
if tonumber(about[4]) > now_ms then
  redis.call('ZADD', TAG .. ':waiting', about[4], id)
else
  redis.call('HDEL', campaign, 'missed_start')
  queue_campaign(id, campaign)
end
finish_if_done(id, campaign, now)
return 1
