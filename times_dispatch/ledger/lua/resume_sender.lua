-- uses: names keys clock providers trail
--
-- Resume a sender: end its pause, and the brake, the back-off and the silence of each of its providers. Safe to repeat,
-- also later: a pause, a brake, a back-off or a silence that began after the person's decision stays.
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

-- Say whether the sender began to back off from a provider after the decision.
local function backs_off_since_decision(provider)
  local since_us = tonumber(redis.call('HGET', sender_key, provider_field('back_off_since_us', provider)) or '0')
  return since_us > tonumber(args.decided_us) and since_us <= now_us()
end

-- Return the silent providers that became silent after the decision, joined by blanks.
local function silent_since_decision()
  local silent = redis.call('HGET', sender_key, 'silent') or ''
  for provider in string.gmatch(silent, '%S+') do
    local since_us = tonumber(redis.call('HGET', sender_key, provider_field('silent_since_us', provider)) or '0')
    if since_us <= tonumber(args.decided_us) or since_us > now_us() then silent = without_provider(silent, provider) end
  end
  return silent
end

local stopped_us = tonumber(redis.call('HGET', sender_key, 'stopped_us') or '0')
-- A time in the future was written before the clock was set back, and does not count.
if stopped_us >= tonumber(args.decided_us) and stopped_us <= now_us() then return reply({status = 'unchanged'}) end
local silent = silent_since_decision()
redis.call('HDEL', sender_key, 'paused', 'pause_reason', 'silent')
if silent ~= '' then redis.call('HSET', sender_key, 'silent', silent) end
for _, field in ipairs(redis.call('HKEYS', sender_key)) do
  local name, provider = string.match(field, '^(.*)@(.*)')
  local stays = name and (backs_off_since_decision(provider) or is_silent(silent, provider))
  if name == 'brake' or (name and not stays) then
    redis.call('HDEL', sender_key, field)
  end
end
-- Campaigns that waited for a provider are due for the rotation at once.
local blocked_key = key_of_sender('blocked')
redis.call('ZUNIONSTORE', blocked_key, 1, blocked_key, 'WEIGHTS', 0)
note_in_trail(args.trail)
return reply({status = 'changed'})
