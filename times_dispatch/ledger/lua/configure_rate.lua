-- uses: names keys memory
--
-- Set a sender's rate to that of the settings, if the settings' rate is still the one that the caller knows. So a call
-- that is repeated later, because its answer was lost, leaves alone a rate that somebody set by hand meanwhile.
--
-- Arguments
--   known_rate  the settings' rate in the ledger as the caller read it; empty if there was none
--   rate        the settings' rate now, in messages or parts per second
-- Reply: status is changed, or unchanged.
-- Keys: the sender's pace.
-- Cost: O(1).
local args = arguments({'known_rate', 'rate'})
local pace_key = key_of_sender('pace')

run_without_memory()
local pace = read_fields(pace_key, 'configured_rate')
if (pace.configured_rate or '') ~= args.known_rate then return reply({status = 'unchanged'}) end
redis.call('HSET', pace_key, 'rate', args.rate, 'configured_rate', args.rate)
return reply({status = 'changed'})
