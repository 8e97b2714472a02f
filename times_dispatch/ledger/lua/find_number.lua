-- uses: names keys
--
-- Find the batches of a campaign that may hold a number, by the fingerprints of its messages' numbers
-- (ledger/numbers/fingerprints.py). This script writes nothing.
--
-- Arguments
--   campaign     the campaign
--   first, last  the numbers of the first and of the last batch that are searched
--   fingerprint  the fingerprint of the number, two bytes
-- Reply: batches, a text of batch numbers joined by blanks: batches with a message of this fingerprint, and batches
--   without fingerprints, which an older version stored.
-- Keys: fingerprints of the batches.
-- Cost: O(batches), with a search through two bytes a message.
local args = arguments({'campaign', 'first', 'last', 'fingerprint'})
local campaign_key, matches, find = key_of_campaign(args.campaign), {}, string.find

-- Say whether a string of fingerprints contains a fingerprint, which begins at an odd position.
local function has_fingerprint(fingerprints)
  local position = find(fingerprints, args.fingerprint, 1, true)
  while position and position % 2 == 0 do position = find(fingerprints, args.fingerprint, position + 1, true) end
  return position
end

for batch_number = tonumber(args.first), tonumber(args.last) do
  local fingerprints = redis.call('GET', key_of_batch(campaign_key, FINGERPRINTS, batch_number))
  if not fingerprints or has_fingerprint(fingerprints) then matches[#matches + 1] = batch_number end
end
return reply({batches = table.concat(matches, ' ')})
