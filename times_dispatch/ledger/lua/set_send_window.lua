-- uses: names keys memory rotation campaigns
--
-- Set the next send window of a campaign, after its last send window closed. No message of the campaign is sent until
-- the next send window opens. Safe to repeat.
--
-- Arguments
--   campaign             the id of the campaign
--   opens_ms, closes_ms  when the next send window opens and closes (epoch, milliseconds)
-- Reply: status is known: the campaign has this send window or a later one; or over: no more messages of the campaign
--   are sent.
-- Keys: campaign; the sender's send_windows, rotation, waiting and changed.
-- Atomic: the send window, and the campaign's wait for it.
-- Cost: O(log of the campaigns that wait).
local args = arguments({'campaign', 'opens_ms', 'closes_ms'})
local id, opens_ms, closes_ms = args.campaign, tonumber(args.opens_ms), tonumber(args.closes_ms)
local campaign_key, send_windows_key = key_of_campaign(id), key_of_sender('send_windows')

run_without_memory()
local campaign = read_fields(campaign_key, 'state', 'start_ms', 'send_window_closes_ms')
if campaign.state ~= 'running' and campaign.state ~= 'paused' and campaign.state ~= 'braked' then
  redis.call('ZREM', send_windows_key, id)
  return reply({status = 'over'})
end
if closes_ms > tonumber(campaign.send_window_closes_ms) then
  redis.call('HSET', campaign_key, 'send_window_opens_ms', opens_ms, 'send_window_closes_ms', closes_ms)
  redis.call('ZADD', send_windows_key, closes_ms, id)
  mark_changed(id)
  if campaign.state == 'running' then
    redis.call('ZREM', turn_group_of(campaign_key).rotation, id)
    redis.call('ZADD', key_of_sender('waiting'), math.max(opens_ms, tonumber(campaign.start_ms)), id)
  end
end
return reply({status = 'known'})
