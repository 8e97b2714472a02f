-- The states of a message, one byte each; MessageState in ledger/states.py has the same bytes.
local PENDING = 'p'
local SENDING = 's'
local ACCEPTED = 'a'
local DELIVERED = 'd'
local FAILED = 'f'
local NO_REPORT = 'n'
local REJECTED = 'r'
local IN_DOUBT = 'i'
local GIVEN_UP = 'g'
local SUPPRESSED = 'u'
local EXPIRED = 'e'
local CANCELLED = 'x'

-- Return the origin with which a code is counted, for a message that was not sent or is in doubt. The codes of a
-- Suppression are our own, from 31 to 35, and different from the codes of failed pushes.
local function code_origin(code)
  return code >= 31 and code <= 35 and 'suppressed:' or 'push:'
end
