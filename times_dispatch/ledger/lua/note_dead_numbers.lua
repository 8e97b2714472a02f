-- uses: names keys clock
--
-- Note dead numbers with the codes that they got, see ledger/dead_numbers.py. Safe to repeat.
--
-- Arguments
--   keep_s  how long a dead number counts, in seconds
--   notes   a list: for each number a note, <bucket>:<member>:<code>, of its bucket, its member in the bucket, its code
-- Reply: noted, how many numbers were noted.
-- Keys: dead:<bucket>, any_dead and any, after the hash tag of the opt-out list.
-- Atomic: all writes. A full Redis refuses the first of them, and the script with it.
-- Cost: O(notes).
local DAY_US = 86400000000
local CODES = 65536
local args = arguments({'keep_s'}, {notes = {'note'}})
local call, match, buckets = redis.call, string.match, {}
local day = math.floor(now_us() / DAY_US)

call('SET', key_of_sender('any_dead'), 1, 'EX', args.keep_s)
for _, note in ipairs(args.notes) do
  local bucket, member, code = match(note, '^(%d+):(%d+):(%d+)$')
  local key = key_of_sender('dead:' .. bucket)
  call('HSET', key, member, string.format('%.0f', day * CODES + code % CODES))
  buckets[key] = true
end
for key in pairs(buckets) do call('EXPIRE', key, args.keep_s) end
-- While this counter is 0, workers look up no number at all.
call('SET', key_of_sender('any'), 1, 'NX')
return reply({noted = #args.notes})
