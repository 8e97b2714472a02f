-- uses: names keys memory trail
--
-- Note that the archive of a campaign is erased: afterwards only the campaign's counters can be read. Safe to repeat.
--
-- Arguments
--   campaign  the id of the campaign
--   trail     the entry of the trail, see lib/trail.lua; empty: nothing is noted
-- Reply: is_erased, 1 or 0: 0 if the campaign is not archived.
-- Keys: campaign; the sender's archived, erased and trail.
-- Atomic: the campaign moves from the set `archived` to the set `erased`.
-- Cost: O(log of the sender's archived campaigns).
local args = arguments({'campaign', 'trail'})
local id, campaign_key = args.campaign, key_of_campaign(args.campaign)

run_without_memory()
local archive = redis.call('HGET', campaign_key, 'archive')
if archive == 'erased' then return reply({is_erased = 1}) end
if archive ~= 'archived' then return reply({is_erased = 0}) end
redis.call('HSET', campaign_key, 'archive', 'erased')
redis.call('ZADD', key_of_sender('erased'), redis.call('ZSCORE', key_of_sender('archived'), id) or '0', id)
redis.call('ZREM', key_of_sender('archived'), id)
note_in_trail(args.trail)
return reply({is_erased = 1})
