-- uses: names keys states
--
-- Read the few fields of live campaigns that lists and sums need. This script writes nothing.
--
-- Arguments
--   campaigns    ids of campaigns of the sender, as a list in JSON: one argument costs both sides less than hundreds
--   with_plans   1: read the plans too; a plan never changes, so a caller may know it
-- Reply
--   campaigns    for each campaign that runs, one text: created_ms, sealed_ms, total, pending and sending, with a blank
--                between two numbers; with plans, a list of the plan and of this text. For any other campaign, a list
--                of the values of the fields LIVE_FIELDS (ledger/campaigns/live_campaigns.py), in that order, with nil
--                for a missing field and for a plan that is not read; nil for a campaign whose key holds no hash
-- Keys: the hashes of the campaigns.
-- Cost: O(campaigns), about 4 microseconds for a campaign that runs, and more than twice as many for any other.
local args = arguments({'campaigns', 'with_plans'})
local with_plans = args.with_plans == '1'
local campaigns = {}
for position, id in ipairs(cjson.decode(args.campaigns)) do
  local campaign_key = key_of_campaign(id)
  local values = redis.pcall('HMGET', campaign_key, 'state', 'created_ms', 'sealed_ms', 'total', PENDING, SENDING)
  local state, created_ms, sealed_ms, total, pending, sending = unpack(values)
  local plan = with_plans and not values.err and redis.call('HGET', campaign_key, 'plan')
  if values.err then
    values = false
  elseif state == 'running' and created_ms and (plan or not with_plans) then
    values = table.concat({created_ms, sealed_ms or 0, total or 0, pending or 0, sending or 0}, ' ')
    if with_plans then values = {plan, values} end
  else
    values = redis.call('HMGET', campaign_key, 'state', 'created_ms', 'sealed_ms', 'total', PENDING, SENDING,
      'reason', 'reason_detail', 'archive', ACCEPTED, DELIVERED, FAILED, NO_REPORT, REJECTED, IN_DOUBT, GIVEN_UP,
      SUPPRESSED, EXPIRED, CANCELLED)
    table.insert(values, 2, plan or false)
  end
  campaigns[position] = values
end
return reply({campaigns = campaigns})
