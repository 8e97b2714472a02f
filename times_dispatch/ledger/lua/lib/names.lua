-- The one place where positions become names. Everywhere else arguments, hash fields and replies have names.

-- Return this call's arguments by the names that a script declares: arguments({'campaign', 'number'}). A second table
-- names the list that takes all further arguments: {numbers = {'number'}} makes a list of values, and
-- {batches = {'campaign', 'token'}} a list of tables by name. scripts.py reads this declaration from the script's text
-- and puts the arguments of a Python call into its order.
local function arguments(names, tail)
  local named, count = {}, #names
  for position = 1, count do named[names[position]] = ARGV[position] end
  if not tail then return named end
  local list, fields = next(tail)
  local items, width = {}, #fields
  for start = count, #ARGV - width, width do
    if width == 1 then
      items[#items + 1] = ARGV[start + 1]
    else
      local item = {}
      for offset = 1, width do item[fields[offset]] = ARGV[start + offset] end
      items[#items + 1] = item
    end
  end
  named[list] = items
  return named
end

-- Read fields of a hash in one command. Return a table by name; a field that the hash does not have is false.
local function read_fields(key, ...)
  local names, values, fields = {...}, redis.call('HMGET', key, ...), {}
  for position = 1, #names do fields[names[position]] = values[position] end
  return fields
end

-- Turn a table by name into what Redis can send, a flat list of names and values; scripts.py turns the list back
-- (read_reply).
local function reply(fields)
  local list, length = {}, 0
  for name, value in pairs(fields) do
    list[length + 1], list[length + 2] = name, value
    length = length + 2
  end
  return list
end
