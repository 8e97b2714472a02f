-- uses: names keys clock
--
-- Let a sender's campaigns go on: lift the pause, and the brakes and the backing off of all its providers. Safe to
-- repeat, also later: what paused or braked the sender after the person's decision stays.
--
-- Arguments
--   decided_us  when the person decided (epoch, microseconds)
-- Reply: status is changed, or unchanged: the sender was paused or braked since.
-- Keys: the sender's pace and blocked.
-- Atomic: all of it.
-- Cost: O(fields of the pace + campaigns that wait for a provider).
-- Only frees: runs also when Redis is full.
local args = arguments({'decided_us'})
local pace_key = key_of_sender('pace')

local held_us = tonumber(redis.call('HGET', pace_key, 'held_us') or '0')
-- A moment in the future was written before the clock was set back, and says nothing.
if held_us >= tonumber(args.decided_us) and held_us <= now_us() then return reply({status = 'unchanged'}) end
redis.call('HDEL', pace_key, 'paused')
for _, field in ipairs(redis.call('HKEYS', pace_key)) do
  if string.find(field, '@', 1, true) then redis.call('HDEL', pace_key, field) end
end
-- Campaigns that waited for a provider are in turn at once.
local blocked_key = key_of_sender('blocked')
redis.call('ZUNIONSTORE', blocked_key, 1, blocked_key, 'WEIGHTS', 0)
return reply({status = 'changed'})
