-- The one place where positions become names. Everywhere else arguments, hash fields and replies have names.
--
-- A script declares its arguments in one statement: local args = arguments({'campaign', 'batch_number'}). A second
-- table names the list that takes all further arguments: {phones = {'phone'}} makes a list of values, and
-- {batches = {'campaign', 'token'}} a list of tables by name.
--
-- Redis never sees a function `arguments`: scripts.py replaces the call by a table before it sends the script, and
-- passes the arguments of a Python call in the order of the declaration. In the same way scripts.py replaces a call of
-- read_fields in which all fields are quoted. So names cost nothing while a script runs.

-- Return all arguments after the first `count` as a list, of tables by name, or of values if there is only one name.
local function further_arguments(count, names)
  local items, width = {}, #names
  for start = count, #ARGV - width, width do
    if width == 1 then
      items[#items + 1] = ARGV[start + 1]
    else
      local item = {}
      for offset = 1, width do item[names[offset]] = ARGV[start + offset] end
      items[#items + 1] = item
    end
  end
  return items
end

-- Read fields of a hash in one command. Return a table by name; a field that the hash does not have is false.
local function read_fields(key, ...)
  local names, values, fields = {...}, redis.call('HMGET', key, ...), {}
  for position = 1, #names do fields[names[position]] = values[position] end
  return fields
end

-- Convert a table by name to a flat list of names and values, which Redis can send; scripts.py converts the list back
-- (read_reply).
local function reply(fields)
  local list, length = {}, 0
  for name, value in pairs(fields) do
    list[length + 1], list[length + 2] = name, value
    length = length + 2
  end
  return list
end
