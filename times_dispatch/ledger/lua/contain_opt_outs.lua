-- uses: names keys budget clock
--
-- Say which phones are on the opt-out list, and which are dead numbers. This script writes nothing.
--
-- Arguments
--   dead_keep_days  for how many days a number counts as dead; 0: dead numbers are not looked up
--   phones  a list: for each phone its bucket, and its member in the bucket, see ledger/numbers/opt_outs.py
-- Reply: are_on_list, one byte for each phone: 1 if the phone is on the list, 2 if it is a dead number, else 0.
-- Keys: the buckets of the list; their keys are n:<bucket> after the hash tag of the list, and dead:<bucket> for dead
--   numbers (ledger/numbers/dead_numbers.py); any_dead.
-- Cost: O(phones).
local CODES = 65536
local HAS_DEAD = 'any_dead'
local args = arguments({'dead_keep_days'}, {phones = {'bucket', 'member'}})
local keep_days = tonumber(args.dead_keep_days)
local has_dead = keep_days > 0 and redis.call('EXISTS', key_of_sender(HAS_DEAD)) == 1
local last_day_too_old = day_of(now_us() / 1000) - keep_days

local function is_dead(phone)
  local noted = redis.call('HGET', key_of_sender('dead:' .. phone.bucket), phone.member)
  return noted and math.floor(tonumber(noted) / CODES) > last_day_too_old
end

local are_on_list = {}
for position, phone in ipairs(args.phones) do
  local is_on_list = redis.call('SISMEMBER', key_of_sender('n:' .. phone.bucket), phone.member)
  are_on_list[position] = is_on_list == 0 and has_dead and is_dead(phone) and 2 or is_on_list
end
return reply({are_on_list = table.concat(are_on_list)})
