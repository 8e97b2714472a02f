-- The ledger's only clock, which is the clock of Redis. A simulation or a test replaces this lib with a lib of its own
-- (replaced_lib in scripts.py).

-- Return microseconds since the epoch.
local function now_us()
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000000 + microseconds
end
