-- Say which of some numbers are on the opt-out list.
-- KEYS[1]: the list's tag. ARGV: for each number the bucket and the member within it, see optouts.py.
-- Reply: one byte per number, 1 or 0. O(numbers).
local found = {}
for at = 1, #ARGV, 2 do
  found[#found + 1] = redis.call('SISMEMBER', KEYS[1] .. ':n:' .. ARGV[at], ARGV[at + 1])
end
return table.concat(found)
