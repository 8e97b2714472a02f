-- uses: names keys memory campaigns
--
-- Put a campaign into the index that belongs to its state: a ledger of an older version has no indexes. Safe to repeat.
--
-- Arguments
--   campaign  the id of the campaign
-- Reply: state, the state of the campaign; empty if there is no such campaign.
-- Keys: campaign; the sender's live and ended.
-- Atomic: the state and the index.
-- Cost: O(log of the sender's ended campaigns).
local args = arguments({'campaign'})
local campaign_key = key_of_campaign(args.campaign)

fail_if_memory_is_full()
local is_sound, state = pcall(redis.call, 'HGET', campaign_key, 'state')
if not is_sound then
  -- If the key does not hold a hash, the campaign is listed as damaged.
  index_as_live(args.campaign)
  return reply({state = ''})
end
if state == 'finished' or state == 'cancelled' then
  index_as_ended(args.campaign, campaign_key)
elseif state then
  index_as_live(args.campaign)
end
return reply({state = state or ''})
