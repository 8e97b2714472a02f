-- uses: names keys memory rotation campaigns
--
-- Say when the hours of a campaign are next, once the last ones are over. Until then nothing of the campaign goes. Safe
-- to repeat.
--
-- Arguments
--   campaign             the id of the campaign
--   opens_ms, closes_ms  the next hours (epoch, milliseconds)
-- Reply: status is known: the campaign has these hours or later ones; or over: nothing more goes from the campaign.
-- Keys: campaign; the sender's pace, hours, rotation, waiting and changed.
-- Atomic: the hours and the campaign's place in the rotation.
-- Cost: O(log of the campaigns that wait).
local args = arguments({'campaign', 'opens_ms', 'closes_ms'})
local id, opens_ms, closes_ms = args.campaign, tonumber(args.opens_ms), tonumber(args.closes_ms)
local campaign_key, hours_key = key_of_campaign(id), key_of_sender('hours')

run_without_memory()
local campaign = read_fields(campaign_key, 'state', 'start_ms', 'closes_ms')
if campaign.state ~= 'running' and campaign.state ~= 'paused' and campaign.state ~= 'braked' then
  redis.call('ZREM', hours_key, id)
  return reply({status = 'over'})
end
if closes_ms > tonumber(campaign.closes_ms) then
  redis.call('HSET', campaign_key, 'opens_ms', opens_ms, 'closes_ms', closes_ms)
  redis.call('ZADD', hours_key, closes_ms, id)
  mark_changed(id)
  if campaign.state == 'running' then
    redis.call('ZREM', rotation_of(campaign_key), id)
    redis.call('ZADD', key_of_sender('waiting'), math.max(opens_ms, tonumber(campaign.start_ms)), id)
  end
end
return reply({status = 'known'})
