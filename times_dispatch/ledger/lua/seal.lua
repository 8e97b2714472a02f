-- uses: names keys memory clock rotation campaigns
--
-- Let a campaign run whose batches are all stored. Safe to repeat.
--
-- Arguments
--   campaign        the id of the campaign
--   total, batches  the messages and the batches, as the producer counted them
-- Reply: status is one of
--   sealed       the campaign is sealed now, or was before; state: its state afterwards (cancelled, if a cancel came
--                before)
--   no_campaign  the campaign is not there
--   bad_count    the ledger counted otherwise: total and batches, as it did
-- Keys: campaign; the sender's pace, ends, hours, waiting, rotation and changed.
-- Atomic: the campaign runs and has its turn, or neither.
-- Cost: O(log of the sender's campaigns).
local args = arguments({'campaign', 'total', 'batches'})
local id, campaign_key = args.campaign, key_of_campaign(args.campaign)

ask_for_memory()
local campaign = read_fields(campaign_key, 'state', 'total', 'batches', 'start_ms', 'until_ms', 'closes_ms')
if not campaign.state then return reply({status = 'no_campaign'}) end
if campaign.state ~= 'submitting' then return reply({status = 'sealed', state = campaign.state}) end
if campaign.total ~= args.total or campaign.batches ~= args.batches then
  return reply({status = 'bad_count', total = tonumber(campaign.total), batches = tonumber(campaign.batches)})
end

local now = now_us()
local now_ms = math.floor(now / 1000)
redis.call('HSET', campaign_key, 'state', 'running', 'sealed_ms', now_ms)
redis.call('ZADD', key_of_sender('ends'), campaign.until_ms, id)
mark_changed(id)
if campaign.closes_ms then redis.call('ZADD', key_of_sender('hours'), campaign.closes_ms, id) end
if tonumber(campaign.start_ms) > now_ms then
  redis.call('ZADD', key_of_sender('waiting'), campaign.start_ms, id)
else
  redis.call('HDEL', campaign_key, 'missed_start')
  queue_campaign(id, campaign_key)
end
local is_done = finish_if_done(id, campaign_key, now)
return reply({status = 'sealed', state = is_done and 'finished' or 'running'})
