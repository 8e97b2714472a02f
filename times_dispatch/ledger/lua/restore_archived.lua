-- uses: names keys memory rollups archive trail
--
-- Restore the data that Redis keeps of an archived campaign, after Redis lost all data. Safe to repeat: a campaign that
-- Redis already has does not change.
--
-- Arguments
--   campaign   the id of the campaign
--   state      archived, or erased
--   operation  the attempt that stored the messages
--   folder     the path or URL of the folder of the archive
--   name, template        the campaign's name and its template
--   created_ms, ended_ms  when the campaign was created, and when it was finished or cancelled (epoch, milliseconds)
--   trail      the entry of the trail, see lib/trail.lua; empty: nothing is noted
--   counters   the counters of the campaign's rollups: member, the rollup's member in the index of its sender; day,
--              days since the epoch; field; amount
-- Reply: is_restored, 1 or 0: 0 if Redis already has the campaign.
-- Keys: campaign; the sender's hash, archived, erased, statistics and trail.
-- Atomic: either the campaign is archived and counted in the statistics, or nothing changes.
-- Cost: O(counters).
local args = arguments({'campaign', 'state', 'operation', 'folder', 'name', 'template', 'created_ms', 'ended_ms',
  'trail'}, {counters = {'member', 'day', 'field', 'amount'}})
local campaign_key, statistics_prefix = key_of_campaign(args.campaign), key_of_sender('statistics') .. ':'

fail_if_memory_is_full()
if redis.call('EXISTS', campaign_key) == 1 then return reply({is_restored = 0}) end
redis.call('HSET', campaign_key, 'archive', args.state, 'archive_operation', args.operation, 'archive_folder',
  args.folder, 'archive_name', args.name, 'archive_template', args.template, 'archive_ended_ms', args.ended_ms)
redis.call('ZADD', key_of_sender(args.state), args.created_ms, args.campaign)
local indexed, sent_days, amounts = '', '', {}
for _, counter in ipairs(args.counters) do
  redis.call('HINCRBY', statistics_prefix .. counter.member, counter.field, counter.amount)
  amounts[counter.field] = (amounts[counter.field] or 0) + tonumber(counter.amount)
  if counter.member ~= indexed then
    indexed = counter.member
    index_rollup(statistics_prefix .. indexed, indexed, tonumber(counter.day))
    sent_days = sent_days .. ' ' .. string.match(indexed, '^%d+:[^:]+')
  end
end
redis.call('HSET', campaign_key, 'archive_sent_days', sent_days, 'archive_codes', codes_among(amounts))
note_in_trail(args.trail)
return reply({is_restored = 1})
