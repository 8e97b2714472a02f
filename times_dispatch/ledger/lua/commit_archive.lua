-- uses: names keys memory archive trail
--
-- Turn a campaign whose messages are stored in the archive into an archived campaign: afterwards readers read the
-- archive, and late reports are not applied. Safe to repeat.
--
-- Arguments
--   campaign   the id of the campaign
--   operation  the attempt that stored the messages
--   digest     the digest of the counters with which the attempt began
--   folder     the path or URL of the folder of the archive
--   name, template  the campaign's name and its template
--   trail      the entry of the trail, see lib/trail.lua; empty: nothing is noted
-- Reply: status is one of
--   archived     the campaign is archived by this attempt
--   taken        another attempt began later, or has archived the campaign
--   changed      a counter of the campaign has changed since the attempt began
--   no_campaign  the ledger has no such campaign
-- Keys: campaign, and its keys that do not belong to batches; the sender's ended, archived, leaving, changed,
--   number_samples and trail.
-- Atomic: readers read the campaign from Redis before this step, and from the archive afterwards.
-- Cost: O(fields of the campaign, its codes and its statistics).
local args = arguments({'campaign', 'operation', 'digest', 'folder', 'name', 'template', 'trail'})
local id, campaign_key = args.campaign, key_of_campaign(args.campaign)

run_without_memory()
local campaign = read_fields(campaign_key, 'archive', 'archive_operation', 'created_ms', 'finished_ms', 'last_sent_ms',
  'batches', 'sent_days', 'sent_days_until_ms')
if not campaign.archive then return reply({status = 'no_campaign'}) end
if campaign.archive_operation ~= args.operation then return reply({status = 'taken'}) end
if campaign.archive ~= 'archiving' then return reply({status = 'archived'}) end
if digest_of_counters(campaign_key) ~= args.digest then return reply({status = 'changed'}) end
local amounts, statistics = {}, redis.call('HGETALL', key_of_statistics(campaign_key))
for position = 1, #statistics, 2 do amounts[statistics[position]] = tonumber(statistics[position + 1]) end
local small_keys = {campaign_key}
for _, name in ipairs({'codes', 'statistics', 'redo', 'failures', 'recent_push', 'recent_report', 'number_sample'}) do
  small_keys[#small_keys + 1] = campaign_key .. ':' .. name
end
redis.call('UNLINK', unpack(small_keys))
redis.call('HSET', campaign_key, 'archive', 'archived', 'archive_operation', args.operation, 'archive_folder',
  args.folder, 'archive_name', args.name, 'archive_template', args.template, 'archive_batches', campaign.batches,
  'archive_ended_ms', campaign.finished_ms or campaign.last_sent_ms or campaign.created_ms, 'archive_codes',
  codes_among(amounts))
if campaign.sent_days_until_ms == (campaign.last_sent_ms or '0') then
  redis.call('HSET', campaign_key, 'archive_sent_days', campaign.sent_days)
end
redis.call('ZADD', key_of_sender('archived'), campaign.created_ms, id)
redis.call('ZREM', key_of_sender('ended'), id)
redis.call('SADD', key_of_sender('leaving'), id)
redis.call('SREM', key_of_sender('changed'), id)
redis.call('ZREM', key_of_sender('number_samples'), id)
note_in_trail(args.trail)
return reply({status = 'archived'})
