-- The ledger's only clock, Redis' own. A simulation or a test puts a lib of its own in the place of this lib
-- (replaced_lib in scripts.py).

-- Return microseconds since the epoch.
local function now_us()
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000000 + microseconds
end
