-- uses: names keys memory clock rotation campaigns trail statistics
--
-- Start a campaign whose batches are all stored. Safe to repeat.
--
-- Arguments
--   campaign        the id of the campaign
--   total, batches  how many messages and batches the producer stored, by its own count
--   refused         a list: how many rows of the recipients file were refused for a reason; reason, rows
--   trail           the entry of the trail about the submit, see lib/trail.lua; empty: nothing is noted
-- Reply: status is one of
--   sealed       the campaign is sealed now, or was sealed before; state: its state afterwards (cancelled, if a person
--                cancelled the campaign before the seal)
--   no_campaign  the ledger has no such campaign
--   bad_count    the ledger has other counts; total and batches: the ledger's counts
-- Keys: campaign; the sender's hash, validity_ends, send_windows, waiting, rotation,
--   changed and trail.
-- Atomic: the campaign runs and is in the rotation, or neither.
-- Cost: O(log of the sender's campaigns).
local args = arguments({'campaign', 'total', 'batches', 'trail'}, {refused = {'reason', 'rows'}})
local id, campaign_key = args.campaign, key_of_campaign(args.campaign)

-- Count the refused rows for the statistics: each would have cost at least one SMS part.
local function count_refused(now_ms)
  local statistics = message_statistics(campaign_key, 0, read_for_statistics(campaign_key))
  for _, refusal in ipairs(args.refused) do
    statistics.add('refused:' .. refusal.reason, tonumber(refusal.rows), 0)
    statistics.add('kept_parts:' .. refusal.reason, tonumber(refusal.rows), 0)
  end
  statistics.write(now_ms)
end

fail_if_memory_is_full()
local campaign = read_fields(campaign_key, 'state', 'total', 'batches', 'start_ms', 'until_ms',
  'send_window_closes_ms')
if not campaign.state then return reply({status = 'no_campaign'}) end
if campaign.state ~= 'submitting' then return reply({status = 'sealed', state = campaign.state}) end
if campaign.total ~= args.total or campaign.batches ~= args.batches then
  return reply({status = 'bad_count', total = tonumber(campaign.total), batches = tonumber(campaign.batches)})
end

local now = now_us()
local now_ms = math.floor(now / 1000)
redis.call('HSET', campaign_key, 'state', 'running', 'sealed_ms', now_ms)
redis.call('ZADD', key_of_sender('validity_ends'), campaign.until_ms, id)
note_in_trail(args.trail)
count_refused(now_ms)
mark_changed(id)
if campaign.send_window_closes_ms then
  redis.call('ZADD', key_of_sender('send_windows'), campaign.send_window_closes_ms, id)
end
if tonumber(campaign.start_ms) > now_ms then
  redis.call('ZADD', key_of_sender('waiting'), campaign.start_ms, id)
else
  redis.call('HDEL', campaign_key, 'missed_start')
  queue_campaign(id, campaign_key)
end
local is_done = finish_if_done(id, campaign_key, now)
return reply({status = 'sealed', state = is_done and 'finished' or 'running'})
