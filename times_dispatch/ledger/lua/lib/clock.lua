-- The ledger's only clock, Redis' own. A simulation or a test exchanges this lib for its own (exchanged_lib in
-- scripts.py).

-- Return microseconds since the epoch.
local function now_us()
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000000 + microseconds
end
