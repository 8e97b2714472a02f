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
--   show_changed       something of campaigns changed
-- Keys: the sender's leases, hours, ends, due, rotations, waiting and changed.
-- Cost: O(log of what each of them holds).
-- DAMAGED_MS in lib/damage.lua: a lease may end so late.
local MAX_AHEAD_MS = 60000

local args = arguments({'lease_ms'})
local now = now_us()
local now_ms = math.floor(now / 1000)

-- Return 1 if a sorted set of times has a member whose time has come.
local function has_due(key, time)
  return #redis.call('ZRANGEBYSCORE', key, '-inf', time, 'LIMIT', 0, 1)
end

-- Return 1 if a lease ends so late that expire_leases must look at it, else 0.
local function has_late_lease()
  local latest_ms = now_ms + math.max(tonumber(args.lease_ms), MAX_AHEAD_MS)
  return #redis.call('ZRANGEBYSCORE', key_of_sender('leases'), '(' .. latest_ms, '+inf', 'LIMIT', 0, 1)
end

local in_rotation = redis.call('EXISTS', key_of_sender('rotation'), key_of_sender('rotation:own'))
return reply({
  expire_leases = math.max(has_due(key_of_sender('leases'), now_ms), has_late_lease()),
  next_hours = has_due(key_of_sender('hours'), now_ms),
  end_pending = has_due(key_of_sender('ends'), now_ms),
  settle_overdue = has_due(key_of_sender('due'), now_ms),
  issue = in_rotation > 0 and 1 or has_due(key_of_sender('waiting'), now_ms),
  show_changed = redis.call('EXISTS', key_of_sender('changed')),
})
