-- uses: names keys
--
-- Add up rollups of the statistics by groups. A reply with the counters of each rollup would be many times as long for
-- a query about many days. This script writes nothing.
--
-- Arguments
--   fields   the names of the fields that the sums of groups have, joined by blanks; empty: all, and no total
--   rollups  a list of rollups: member, the rollup's member in the index of its sender; group, the number of its group.
--            The group numbers begin with 1, without gaps.
-- Reply, packed with MessagePack: maps from the names of fields to their sums; a map without fields is an empty list
--   groups  a list with a map for each group
--   total   the sums of all fields over all groups, if `fields` names some
-- Keys: the sender's rollups.
-- Cost: O(counters of the rollups).
local args = arguments({'fields'}, {rollups = {'member', 'group'}})
local prefix, groups, total, fields = key_of_sender('statistics') .. ':', {}, {}, {}
local has_total = args.fields ~= ''
for name in string.gmatch(args.fields, '%S+') do fields[name] = true end

-- Lua converts the text of a counter to a number.
local function add(sums, name, amount)
  sums[name] = (sums[name] or 0) + amount
end

for _, rollup in ipairs(args.rollups) do
  local group = tonumber(rollup.group)
  local of_group, counters = groups[group] or {}, redis.call('HGETALL', prefix .. rollup.member)
  local sums = has_total and total or of_group
  groups[group] = of_group
  for position = 1, #counters, 2 do
    local name, amount = counters[position], counters[position + 1]
    sums[name] = (sums[name] or 0) + amount
    if fields[name] then add(of_group, name, amount) end
  end
end
return reply({groups = cmsgpack.pack(groups), total = cmsgpack.pack(total)})
