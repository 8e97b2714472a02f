-- Collects changes of a hash's counters, so that a group of messages takes two commands, and not one for each message.

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
      local names, list, length = {}, {}, 0
      for name, delta in pairs(deltas) do
        if delta ~= 0 then
          length = length + 1
          names[length] = name
        end
      end
      if length <= 2 then
        for _, name in ipairs(names) do redis.call('HINCRBY', key, name, deltas[name]) end
        return
      end
      local values = redis.call('HMGET', key, unpack(names))
      for position = 1, length do
        local name = names[position]
        list[2 * position - 1], list[2 * position] = name, tonumber(values[position] or 0) + deltas[name]
      end
      redis.call('HSET', key, unpack(list))
    end,
  }
end
