-- The attempts of a message that was sent again: one entry for each attempt. The entries of all messages of a campaign
-- are in one hash, by the index of the message in its campaign.

-- The entry of one attempt of a message that was sent again: attempt, index of the provider, day, and the sum of two
-- flags.
local ATTEMPT_ENTRY = '>I1I1I2I1'
local ATTEMPT_BYTES = 5
-- The two flags: the provider is known to have accepted the attempt (PROVED); a report said that the attempt failed,
-- and therefore the message is sent again (TRIED_AGAIN).
local PROVED = 1
local TRIED_AGAIN = 2

-- Return how many second tries a message had up to an attempt: the number of failed attempts before that attempt.
-- `entries` are the entries of the message.
local function tries_before(entries, attempt)
  local tries = 0
  for entry_at = 1, #entries, ATTEMPT_BYTES do
    local entry_attempt, _, _, flags = struct.unpack(ATTEMPT_ENTRY, entries, entry_at)
    if entry_attempt < attempt and flags >= TRIED_AGAIN then tries = tries + 1 end
  end
  return tries
end
