-- uses: names keys
--
-- Say which numbers are on the opt-out list. Writes nothing.
--
-- Arguments
--   numbers  a list: for each number its bucket, and the member within it, see ledger/optouts.py
-- Reply: answers, one byte for each number: 1 if it is on the list, else 0.
-- Keys: the buckets of the list, n:<bucket> below its hash tag.
-- Cost: O(numbers).
local args = arguments({}, {numbers = {'bucket', 'member'}})
local answers = {}
for position, number in ipairs(args.numbers) do
  answers[position] = redis.call('SISMEMBER', key_of_sender('n:' .. number.bucket), number.member)
end
return reply({answers = table.concat(answers)})
