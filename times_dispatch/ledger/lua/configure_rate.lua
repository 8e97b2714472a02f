-- uses: names keys memory trail
--
-- Set a sender's rate to the rate in the settings, if the ledger's copy of the settings' rate is still known_rate. So a
-- call that is repeated later, because its answer was lost, does not overwrite a rate that a person set meanwhile. The
-- new rate takes effect with the next block, see lib/pacing.lua.
--
-- Arguments
--   known_rate  the settings' rate in the ledger as the caller read it; empty if there was none
--   rate        the settings' rate now, in messages or parts per second
--   trail       the entry of the trail about the change, see lib/trail.lua
-- Reply: status is changed, or unchanged.
-- Keys: the sender's hash and trail.
-- Cost: O(1).
local args = arguments({'known_rate', 'rate', 'trail'})
local sender_key = key_of_sender('sender')

run_without_memory()
local sender = read_fields(sender_key, 'configured_rate')
if (sender.configured_rate or '') ~= args.known_rate then return reply({status = 'unchanged'}) end
redis.call('HSET', sender_key, 'rate', args.rate, 'configured_rate', args.rate)
note_in_trail(args.trail)
return reply({status = 'changed'})
