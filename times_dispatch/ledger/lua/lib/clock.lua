-- Redis' clock: the only clock of the ledger. A simulation exchanges this lib (scripts.py, exchanged_lib).

-- Microseconds since the epoch.
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
