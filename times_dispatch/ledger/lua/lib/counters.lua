-- Collects changes of a hash's counters, so that a group of messages costs one HINCRBY for each counter, and not one
-- for each message.

-- Return a table of three functions:
--   move(old, new)     subtracts 1 from a counter and adds 1 to another
--   add(name, amount)  changes one counter
--   write(key)         applies all changes to the hash
local function counter_deltas()
  local deltas = {}
  return {
    move = function(old, new)
      deltas[old] = (deltas[old] or 0) - 1
      deltas[new] = (deltas[new] or 0) + 1
    end,
    add = function(name, amount)
      deltas[name] = (deltas[name] or 0) + amount
    end,
    write = function(key)
      for name, delta in pairs(deltas) do
        if delta ~= 0 then redis.call('HINCRBY', key, name, delta) end
      end
    end,
  }
end
