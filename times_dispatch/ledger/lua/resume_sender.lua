-- uses: names keys clock providers trail
--
-- Resume a sender: end its pause, and the brake and the back-off of each of its providers. Safe to repeat, also later:
-- a pause, a brake or a back-off that began after the person's decision stays.
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

-- Say whether the sender backs off from a provider since a moment after the decision.
local function backs_off_since_decision(provider)
  local since_us = tonumber(redis.call('HGET', sender_key, provider_field('back_off_since_us', provider)) or '0')
  return since_us > tonumber(args.decided_us) and since_us <= now_us()
end

local stopped_us = tonumber(redis.call('HGET', sender_key, 'stopped_us') or '0')
-- A time in the future was written before the clock was set back, and does not count.
if stopped_us >= tonumber(args.decided_us) and stopped_us <= now_us() then return reply({status = 'unchanged'}) end
redis.call('HDEL', sender_key, 'paused', 'pause_reason')
for _, field in ipairs(redis.call('HKEYS', sender_key)) do
  local name, provider = string.match(field, '(.*)@(.*)')
  if name == 'brake' or (name and not backs_off_since_decision(provider)) then
    redis.call('HDEL', sender_key, field)
  end
end
-- Campaigns that waited for a provider are in turn at once.
local blocked_key = key_of_sender('blocked')
redis.call('ZUNIONSTORE', blocked_key, 1, blocked_key, 'WEIGHTS', 0)
note_in_trail(args.trail)
return reply({status = 'changed'})
