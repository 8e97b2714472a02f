-- uses: names keys
--
-- Read the few fields of campaigns that lists and sums need. This script writes nothing.
--
-- Arguments
--   campaigns    ids of campaigns of the sender
-- Reply
--   campaigns    for each of them the values of the fields of LIVE_FIELDS (ledger/live_campaigns.py), in that order,
--                with nil for a missing field; nil for a campaign whose key holds no hash
-- Keys: the hashes of the campaigns.
-- Cost: O(campaigns), about 14 microseconds each.
local args = arguments({}, {campaigns = {'campaign'}})
local campaigns = {}
for position, id in ipairs(args.campaigns) do
  local values = redis.pcall('HMGET', key_of_campaign(id), 'state', 'plan', 'created_ms', 'sealed_ms', 'reason',
    'reason_detail', 'archive', 'total', 'p', 's', 'a', 'd', 'f', 'n', 'r', 'i', 'g', 'u', 'e', 'x')
  campaigns[position] = not values.err and values
end
return reply({campaigns = campaigns})
