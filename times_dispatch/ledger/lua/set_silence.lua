-- uses: names keys clock memory providers campaigns trail
--
-- Hold promotional messages of a sender back from a provider whose delivery reports are missing, or release these
-- messages. Safe to repeat. The script runs also when Redis is full.
--
-- Arguments
--   provider  the nickname of the provider
--   reason    which reports are missing, for people; empty: reports come again, or the silence brake is switched off
--   wait_ms   how long after now the first probe may be sent, in milliseconds; each later wait is twice as long
--   trail     the entry of the trail about the change, see lib/trail.lua
-- Reply: status is changed or unchanged.
-- Keys: the sender's hash, live, changed, blocked and trail.
-- Atomic: all changes.
-- Cost: O(live campaigns of the sender).
local args = arguments({'provider', 'reason', 'wait_ms', 'trail'})
local sender_key = key_of_sender('sender')
local silent = redis.call('HGET', sender_key, 'silent') or ''
local was_silent = is_silent(silent, args.provider)

run_without_memory()
if was_silent == (args.reason ~= '') then return reply({status = 'unchanged'}) end
if was_silent then
  silent = without_provider(silent, args.provider)
  redis.call('HDEL', sender_key, provider_field('silent_since_us', args.provider),
    provider_field('silent_reason', args.provider), provider_field('silence_probe_us', args.provider),
    provider_field('silence_wait_ms', args.provider))
  -- Campaigns that waited for the provider are due for the rotation at once.
  redis.call('ZUNIONSTORE', key_of_sender('blocked'), 1, key_of_sender('blocked'), 'WEIGHTS', 0)
else
  silent = silent == '' and args.provider or silent .. ' ' .. args.provider
  local now = now_us()
  redis.call('HSET', sender_key, provider_field('silent_since_us', args.provider), string.format('%.0f', now),
    provider_field('silent_reason', args.provider), args.reason,
    provider_field('silence_probe_us', args.provider), string.format('%.0f', now + args.wait_ms * 1000),
    provider_field('silence_wait_ms', args.provider), args.wait_ms)
end
if silent == '' then redis.call('HDEL', sender_key, 'silent') else redis.call('HSET', sender_key, 'silent', silent) end
for _, id in ipairs(redis.call('SMEMBERS', key_of_sender('live'))) do mark_changed(id) end
note_in_trail(args.trail)
return reply({status = 'changed'})
