-- uses: names keys clock
--
-- Note that upkeep reaches a sender, and say since when upkeep has reached the sender without a gap. A ledger on a
-- cluster needs this time for each sender, because each node may be unreachable alone, and has a clock of its own. A
-- single Redis has one key for all senders, upkeep:since, which is then the key of this call.
--
-- Arguments
--   gap_ms  a longer time without a call is a gap, in milliseconds
--   of_all  1 for the key of this call, 0 for the key of a sender
-- Reply
--   now_us    the time now, in epoch microseconds
--   since_ms  the time since which there has been no gap, in epoch milliseconds
-- Keys: the sender's upkeep_since, or the key of this call.
-- Atomic: the time is read when the key is read and written, so that no clock is set in between.
-- Cost: O(1).
local args = arguments({'gap_ms', 'of_all'})
local key, now = args.of_all == '1' and HASH_TAG or key_of_sender('upkeep_since'), now_us()
local now_ms = math.floor(now / 1000)
local since_ms = tonumber(redis.call('GET', key) or 'inf')
-- After the clock was set back, the stored time lies in the future.
if since_ms <= now_ms then
  redis.call('PEXPIRE', key, args.gap_ms)
else
  since_ms = now_ms
  -- The first write frees memory, so the script runs also when Redis is full.
  redis.call('DEL', key)
  redis.call('SET', key, string.format('%.0f', since_ms), 'PX', args.gap_ms)
end
return reply({now_us = now, since_ms = since_ms})
