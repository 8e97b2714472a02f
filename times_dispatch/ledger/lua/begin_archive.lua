-- uses: names keys memory states archive
--
-- Begin to archive a campaign that has ended and whose messages are settled. Safe to repeat. Another attempt may begin
-- at any time: only the attempt that began last can commit.
--
-- Arguments
--   campaign   the id of the campaign
--   operation  the id of the attempt to archive
--   before_ms  a campaign that was finished or cancelled after this time (epoch, milliseconds) is too young
-- Reply: status is one of
--   begun         digest: the digest of the campaign's counters
--   no_campaign   the ledger has no such campaign
--   archived      the campaign is archived already, or its archive is erased; operation: the attempt that archived it
--   live          the campaign is neither finished nor cancelled
--   unsettled     a message may still change its state: a report or the end of the validity is awaited
--   young         the campaign ended after before_ms
-- Keys: campaign, codes and statistics of the campaign; the sender's validity_ends.
-- Atomic: the checks and the digest.
-- Cost: O(fields of the campaign, its codes and its statistics).
local args = arguments({'campaign', 'operation', 'before_ms'})
local campaign_key = key_of_campaign(args.campaign)

-- Return when a campaign ended. A cancelled campaign stores no such time, so the time of its last block counts.
local function ended_ms(campaign)
  return tonumber(campaign.finished_ms or campaign.last_sent_ms or campaign.created_ms)
end

run_without_memory()
local campaign = read_fields(campaign_key, 'state', 'archive', 'archive_operation', 'finished_ms', 'last_sent_ms',
  'created_ms', 'batches_out', 'retries_waiting', PENDING, SENDING, ACCEPTED, IN_DOUBT)
if campaign.archive == 'archived' or campaign.archive == 'erased' then
  return reply({status = 'archived', operation = campaign.archive_operation})
end
if not campaign.state then return reply({status = 'no_campaign'}) end
if campaign.state ~= 'finished' and campaign.state ~= 'cancelled' then return reply({status = 'live'}) end
local unsettled = tonumber(campaign.batches_out or '0') + tonumber(campaign.retries_waiting or '0')
for _, state in ipairs({PENDING, SENDING, ACCEPTED, IN_DOUBT}) do
  unsettled = unsettled + tonumber(campaign[state] or '0')
end
if unsettled > 0 or redis.call('ZSCORE', key_of_sender('validity_ends'), args.campaign) then
  return reply({status = 'unsettled'})
end
if ended_ms(campaign) > tonumber(args.before_ms) then return reply({status = 'young'}) end
redis.call('HSET', campaign_key, 'archive', 'archiving', 'archive_operation', args.operation)
return reply({status = 'begun', digest = digest_of_counters(campaign_key)})
