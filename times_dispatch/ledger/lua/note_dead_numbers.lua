-- uses: names keys budget clock
--
-- Note dead numbers with the codes that they got, see ledger/numbers/dead_numbers.py. Safe to repeat.
--
-- Arguments
--   keep_s  how long a dead number counts, in seconds
--   notes   for each number <bucket>:<member>:<code>, its bucket, its member in the bucket and its code; with a blank
--           between two numbers
-- Reply: noted, how many numbers were noted.
-- Keys: dead:<bucket>, any_dead and any, after the hash tag of the opt-out list.
-- Atomic: all writes. A full Redis refuses the first write, and with it the whole script.
-- Cost: O(notes).
local HAS_DEAD, CHANGES = 'any_dead', 'any' -- keys of the opt-out list, which takes the place of a sender
local CODES = 65536
local args = arguments({'keep_s', 'notes'})
local call, buckets, values, noted = redis.call, {}, {}, 0
local day = day_of(now_us() / 1000)

call('SET', key_of_sender(HAS_DEAD), 1, 'EX', args.keep_s)
for bucket, member, code in string.gmatch(args.notes, '%f[%d](%d+):(%d+):(%d+)') do
  local fields, value = buckets[bucket] or {}, values[code] or string.format('%.0f', day * CODES + code % CODES)
  buckets[bucket], values[code] = fields, value
  local length = #fields
  fields[length + 1], fields[length + 2] = member, value
  noted = noted + 1
end
for bucket, fields in pairs(buckets) do
  local key = key_of_sender('dead:' .. bucket)
  call('HSET', key, unpack(fields))
  call('EXPIRE', key, args.keep_s)
end
-- Workers look up numbers only if this counter is not 0.
call('SET', key_of_sender(CHANGES), 1, 'NX')
return reply({noted = noted})
