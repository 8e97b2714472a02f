-- uses: names keys memory
--
-- Give a campaign with tracked links its number among the sender's campaigns with tracked links. Safe to repeat: a
-- campaign keeps its number.
--
-- Arguments
--   campaign  the id of the campaign
-- Reply: number, from 1.
-- Keys: the sender's links.
-- Atomic: two campaigns of a sender never get the same number.
-- Cost: O(1).
local args = arguments({'campaign'})
local links_key = key_of_sender('links')

fail_if_memory_is_full()
local known = redis.call('HGET', links_key, 'number:' .. args.campaign)
if known then return reply({number = tonumber(known)}) end
local number = redis.call('HINCRBY', links_key, 'last', 1)
redis.call('HSET', links_key, 'number:' .. args.campaign, number, 'campaign:' .. number, args.campaign)
return reply({number = number})
