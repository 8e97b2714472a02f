-- A script skips a campaign or a batch whose data cannot be read, names it in the reply, and processes the other
-- campaigns or batches.

-- After this time a script tries the damaged campaign or batch again.
local DAMAGED_MS = 60000

-- Return the text of an error that pcall caught.
local function error_text(failure)
  return type(failure) == 'table' and failure.err or tostring(failure)
end
