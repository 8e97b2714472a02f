-- uses: names keys clock trail
--
-- Resume a sender: end its pause, and the brake and the back-off of each of its providers. Safe to repeat, also later:
-- a pause or a brake after the person's decision stays.
--
-- Arguments
--   decided_us  when the person decided (epoch, microseconds)
--   trail       the entry of the trail about the change, see lib/trail.lua; empty: the change is not noted
-- Reply: status is changed; or unchanged: the sender was paused or braked after the decision.
-- Keys: the sender's hash, blocked and trail.
-- Atomic: all changes.
-- Cost: O(fields of the sender's hash + campaigns that wait for a provider).
-- This script only frees memory, so it runs also when Redis is full.
local args = arguments({'decided_us', 'trail'})
local sender_key = key_of_sender('sender')

local stopped_us = tonumber(redis.call('HGET', sender_key, 'stopped_us') or '0')
-- A time in the future was written before the clock was set back, and does not count.
if stopped_us >= tonumber(args.decided_us) and stopped_us <= now_us() then return reply({status = 'unchanged'}) end
redis.call('HDEL', sender_key, 'paused')
for _, field in ipairs(redis.call('HKEYS', sender_key)) do
  if string.find(field, '@', 1, true) then redis.call('HDEL', sender_key, field) end
end
-- Campaigns that waited for a provider are in turn at once.
local blocked_key = key_of_sender('blocked')
redis.call('ZUNIONSTORE', blocked_key, 1, blocked_key, 'WEIGHTS', 0)
note_in_trail(args.trail)
return reply({status = 'changed'})
