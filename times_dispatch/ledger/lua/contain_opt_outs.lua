-- uses: names keys
--
-- Say which phones are on the opt-out list. This script writes nothing.
--
-- Arguments
--   phones  a list: for each phone its bucket, and its member in the bucket, see ledger/opt_outs.py
-- Reply: are_on_list, one byte for each phone: 1 if the phone is on the list, else 0.
-- Keys: the buckets of the list; their keys are n:<bucket> after the hash tag of the list.
-- Cost: O(phones).
local args = arguments({}, {phones = {'bucket', 'member'}})
local are_on_list = {}
for position, phone in ipairs(args.phones) do
  are_on_list[position] = redis.call('SISMEMBER', key_of_sender('n:' .. phone.bucket), phone.member)
end
return reply({are_on_list = table.concat(are_on_list)})
