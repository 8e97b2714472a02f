-- uses: pacing
--
-- The paces of a block: the sender's rate, the campaign's own rate, or both. `hashes` is a table: `campaign` and
-- `sender` have the fields rate, last_send_time_us, last_send_time_cost and delay_ends_us of the hashes of campaign and
-- sender; `campaign_key` and `sender_key` are the keys of these hashes.

-- A campaign with a rate below its sender's may push the messages of this time of its rate in one burst. A block of the
-- campaign is spread over the send times of the sender, so a burst for a whole round trip would last longer.
local MAX_OWN_BURST_US = 50000

-- Return the pace that gives out send times: the sender's, or the campaign's own if the sender has no limit. Send times
-- may be late by `tolerance_us`. The worker pushes at least `delay_us` later than the send times. A table:
--   key           the hash that keeps the pace; nil without a limit, because then nothing has to be kept
--   send_time_us  the next send time
--   per_unit_us   the time between two send times for each unit of cost; 0 without a limit
--   delay_us      how much later than the send times the messages are pushed
local function main_pace(hashes, now, tolerance_us, delay_us)
  local fields, key = hashes.sender, hashes.sender_key
  local rate = tonumber(fields.rate or '0')
  if rate <= 0 then
    fields, key = hashes.campaign, hashes.campaign_key
    rate = tonumber(fields.rate or '0')
  end
  if rate <= 0 then return {send_time_us = now, per_unit_us = 0, delay_us = 0} end
  local per_unit_us = 1000000 / rate
  local send_time_us = next_send_time(fields, per_unit_us, now - tolerance_us, now + MAX_AHEAD_US)
  return {key = key, send_time_us = send_time_us, per_unit_us = per_unit_us, delay_us = delay_of(fields, delay_us, now)}
end

-- Return the pace of a campaign with a limit below its sender's; nil if it has none. This pace gives out no send times:
-- a message may be sent from the next send time of this pace on, which may be `burst_us` in the past.
local function own_pace(hashes, now, burst_us)
  local campaign = hashes.campaign
  local rate = tonumber(campaign.rate or '0')
  if rate <= 0 or tonumber(hashes.sender.rate or '0') <= 0 then return nil end
  local per_unit_us = 1000000 / rate
  local earliest_us = now - math.min(burst_us, MAX_OWN_BURST_US)
  local send_time_us = next_send_time(campaign, per_unit_us, earliest_us, now + MAX_AHEAD_US)
  return {key = hashes.campaign_key, send_time_us = send_time_us, per_unit_us = per_unit_us}
end
