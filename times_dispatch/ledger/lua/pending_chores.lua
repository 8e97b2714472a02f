-- uses: names keys clock
--
-- Say what upkeep has to do for a sender: most of the time little, and each step costs a round trip or two. Writes
-- nothing.
--
-- Arguments: none.
-- Reply: for each step 1 if there is something to do, else 0
--   expire_leases      leases have run out
--   next_hours         hours of campaigns are over
--   end_pending        validities are over, or campaigns were cancelled
--   settle_overdue     messages have waited long enough for a report
--   issue              campaigns are in turn, or their time has come
--   show_changed       something of campaigns changed
-- Keys: the sender's leases, hours, ends, due, rotations, waiting and changed.
-- Cost: O(log of what each of them holds).
local now = now_us()
local now_ms = math.floor(now / 1000)

-- Return 1 if a sorted set of times has a member whose time has come.
local function has_due(key, time)
  return #redis.call('ZRANGEBYSCORE', key, '-inf', time, 'LIMIT', 0, 1)
end

local in_rotation = redis.call('EXISTS', key_of_sender('rotation'), key_of_sender('rotation:own'))
return reply({
  expire_leases = has_due(key_of_sender('leases'), now_ms),
  next_hours = has_due(key_of_sender('hours'), now_ms),
  end_pending = has_due(key_of_sender('ends'), now_ms),
  settle_overdue = has_due(key_of_sender('due'), now_ms),
  issue = in_rotation > 0 and 1 or has_due(key_of_sender('waiting'), now_ms),
  show_changed = redis.call('EXISTS', key_of_sender('changed')),
})
