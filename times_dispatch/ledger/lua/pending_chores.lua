-- uses: names keys clock
--
-- Say what upkeep has to do for a sender: most of the time little, and each step costs a round trip or two. Writes
-- nothing.
--
-- Arguments
--   lease_ms  how long a lease is
-- Reply: for each step 1 if there is something to do, else 0
--   expire_leases      leases have run out, or end later than most can
--   next_hours         hours of campaigns are over
--   end_pending        validities are over, or campaigns were cancelled
--   settle_overdue     messages have waited long enough for a report
--   issue              campaigns are in turn, or their time has come
--   show_changed       something of campaigns changed, or a worker did not say that it showed them
-- Keys: the sender's leases, hours, ends, due, rotations, waiting, blocked, changed and showing.
-- Cost: O(log of what each of them holds).
-- DAMAGED_MS in lib/damage.lua and MAX_BLOCKED_US in lib/providers.lua: a lease, and a wait for a provider, may end so
-- late.
local MAX_AHEAD_MS = 60000

local args = arguments({'lease_ms'})
local now = now_us()
local now_ms = math.floor(now / 1000)

-- Return 1 if a sorted set of times has a member whose time has come.
local function has_due(key, time)
  return #redis.call('ZRANGEBYSCORE', key, '-inf', time, 'LIMIT', 0, 1)
end

-- Return 1 if a sorted set of times has a member whose time is further ahead than any can be, else 0.
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
  next_hours = has_due(key_of_sender('hours'), now_ms),
  end_pending = has_due(key_of_sender('ends'), now_ms),
  settle_overdue = has_due(key_of_sender('due'), now_ms),
  issue = in_rotation > 0 and 1 or has_waited,
  show_changed = math.max(redis.call('EXISTS', key_of_sender('changed')), has_due(key_of_sender('showing'), now_ms)),
})
