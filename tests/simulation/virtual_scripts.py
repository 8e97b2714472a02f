"""Virtual time for Lua scripts: scripts read it instead of the server's clock, and keys expire by it."""

from times_dispatch.ledger.scripts import assemble

CLOCK_KEY = "simulation:now_us"
EXPIRIES_KEY = "simulation:expiries"
COSTLY_KEY = "simulation:costly"
"""A key that is set when a script that opens a block has executed more than ``MAX_COMMANDS``."""
MAX_COMMANDS = 3_100
"""Enough for a block of 200 messages, each with ten look-ups and a few commands for the results of the look-ups."""
_WITH_VIRTUAL_EXPIRY = f"""local redis = (function(real)
  local function keep(key, at_ms)
    real.call('ZADD', '{EXPIRIES_KEY}', at_ms, key)
  end
  local function now_ms()
    return tonumber(real.call('GET', '{CLOCK_KEY}')) / 1000
  end
  local executed = 0
  local function call(command, ...)
    local key, value = ...
    executed = executed + 1
    if executed == MAX_COMMANDS then real.call('SET', '{COSTLY_KEY}', 1) end
    if command == 'SET' then
      local options, others = {{...}}, {{}}
      local at = 3
      while options[at] do
        if options[at] == 'PX' or options[at] == 'EX' then
          keep(key, now_ms() + options[at + 1] * (options[at] == 'EX' and 1000 or 1))
          at = at + 1
        else
          others[#others + 1] = options[at]
        end
        at = at + 1
      end
      return real.call('SET', key, value, unpack(others))
    elseif command == 'EXPIRE' then
      keep(key, now_ms() + value * 1000)
      return 1
    elseif command == 'PEXPIRE' then
      keep(key, now_ms() + value)
      return 1
    elseif command == 'EXPIREAT' then
      keep(key, value * 1000)
      return 1
    elseif command == 'PEXPIREAT' then
      keep(key, value)
      return 1
    end
    return real.call(command, ...)
  end
  return setmetatable({{call = call}}, {{__index = real}})
end)(redis)
"""
"""Text that is put before every script, so that no key expires by the server's real clock."""
EXPIRING = {
    "SET": """
local answer = redis.call('SET', KEYS[1], unpack(ARGV, 2))
if answer then redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[1])) end
return answer
""",
    "GETEX": """
local answer = redis.call('GET', KEYS[1])
if answer then redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[1])) end
return answer
""",
}
TICK = f"""
redis.call('DEL', 'simulation:nothing')
redis.call('SET', '{CLOCK_KEY}', ARGV[1])
for _, key in ipairs(redis.call('ZRANGEBYSCORE', '{EXPIRIES_KEY}', '-inf', ARGV[1] / 1000)) do
  redis.call('DEL', key)
  redis.call('ZREM', '{EXPIRIES_KEY}', key)
end
"""
"""A script that sets the clock which scripts read, and deletes the keys that have expired by that time. The script also
runs in a full server, because a full server refuses only the first write of a script."""
CLOCK_LIB = f"""
local function now_us()
  return tonumber(redis.call('GET', '{CLOCK_KEY}'))
end
"""


def with_virtual_time(script: str) -> str:
    """Return a script in the form for the server, with expiries by virtual time."""
    limit = str(MAX_COMMANDS) if script == assemble("open_block") else "-1"
    return _WITH_VIRTUAL_EXPIRY.replace("MAX_COMMANDS", limit) + script
