-- uses: names keys clock
--
-- Say which steps upkeep has to do for a sender. Mostly few steps are due, and each step costs a round trip or two.
-- This script writes nothing.
--
-- Arguments
--   lease_ms  how long a lease lasts
-- Reply: for each step 1 if the step is due, else 0
--   expire_leases      leases have run out, or end later than a lease can
--   send_windows       send windows of campaigns have closed
--   end_pending        validities are over, or campaigns were cancelled
--   settle_overdue     messages have waited long enough for a report
--   issue              campaigns are in a rotation, or a campaign or batch that waits is due
--   show_changed       campaigns have changed, or a worker did not confirm that it showed changed campaigns
-- Keys: the sender's leases, send_windows, validity_ends, settle_due, rotations, waiting, blocked, changed
--   and showing.
-- Cost: O(log of the members of these keys).
-- A lease, and a wait for a provider, end at most this late: DAMAGED_MS in lib/damage.lua, MAX_BLOCKED_US in
-- lib/providers.lua.
local MAX_AHEAD_MS = 60000

local args = arguments({'lease_ms'})
local now = now_us()
local now_ms = math.floor(now / 1000)

-- Return 1 if a sorted set of times has a member whose time has passed, else 0.
local function has_due(key, time)
  return #redis.call('ZRANGEBYSCORE', key, '-inf', time, 'LIMIT', 0, 1)
end

-- Return 1 if a sorted set of times has a member whose time is further ahead than is possible, else 0.
local function has_late(key, max_ahead_ms)
  return #redis.call('ZRANGEBYSCORE', key, '(' .. now_ms + max_ahead_ms, '+inf', 'LIMIT', 0, 1)
end

local in_rotation = redis.call('EXISTS', key_of_sender('rotation'), key_of_sender('rotation:own'),
  key_of_sender('rotation:urgent'))
local max_lease_ms = math.max(tonumber(args.lease_ms), MAX_AHEAD_MS)
local leases_key, blocked_key = key_of_sender('leases'), key_of_sender('blocked')
local has_waited = math.max(has_due(key_of_sender('waiting'), now_ms), has_due(blocked_key, now_ms),
  has_late(blocked_key, MAX_AHEAD_MS))
return reply({
  expire_leases = math.max(has_due(leases_key, now_ms), has_late(leases_key, max_lease_ms)),
  send_windows = has_due(key_of_sender('send_windows'), now_ms),
  end_pending = has_due(key_of_sender('validity_ends'), now_ms),
  settle_overdue = has_due(key_of_sender('settle_due'), now_ms),
  issue = in_rotation > 0 and 1 or has_waited,
  show_changed = math.max(redis.call('EXISTS', key_of_sender('changed')), has_due(key_of_sender('showing'), now_ms)),
})
