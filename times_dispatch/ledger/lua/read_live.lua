-- uses: names keys states
--
-- Read the few fields of live campaigns that lists and sums need. This script writes nothing.
--
-- Arguments
--   campaigns    ids of campaigns of the sender
-- Reply
--   campaigns    for each campaign a list of values: of the fields RUNNING_FIELDS (ledger/live_campaigns.py) if the
--                campaign runs, else of the fields LIVE_FIELDS, in that order, with nil for a missing field; nil for
--                a campaign whose key holds no hash
-- Keys: the hashes of the campaigns.
-- Cost: O(campaigns), about 7 microseconds for a campaign that runs, and twice as many for any other campaign.
local args = arguments({}, {campaigns = {'campaign'}})
local campaigns = {}
for position, id in ipairs(args.campaigns) do
  local campaign_key = key_of_campaign(id)
  local state, values = redis.pcall('HGET', campaign_key, 'state'), false
  if state == 'running' then
    values = redis.call('HMGET', campaign_key, 'state', 'plan', 'created_ms', 'sealed_ms', 'total', PENDING, SENDING)
  elseif type(state) ~= 'table' then
    values = redis.call('HMGET', campaign_key, 'state', 'plan', 'created_ms', 'sealed_ms', 'total', PENDING, SENDING,
      'reason', 'reason_detail', 'archive', ACCEPTED, DELIVERED, FAILED, NO_REPORT, REJECTED, IN_DOUBT, GIVEN_UP,
      SUPPRESSED, EXPIRED, CANCELLED)
  end
  campaigns[position] = values
end
return reply({campaigns = campaigns})
