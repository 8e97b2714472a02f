-- What a script does about a campaign or a batch whose data cannot be read: the script leaves the damaged campaign or
-- batch out, names it in the reply, and does its work for the others.

-- After this time a script tries the damaged campaign or batch again.
local DAMAGED_MS = 60000

-- Return the text of an error that pcall caught.
local function error_text(failure)
  return type(failure) == 'table' and failure.err or tostring(failure)
end
