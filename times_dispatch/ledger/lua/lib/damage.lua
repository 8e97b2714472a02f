-- What a script does about a campaign or a batch that is not what it must be: it leaves that one out, tells the caller,
-- and does its work for the others.

-- After this time a script looks again at what was damaged.
local DAMAGED_MS = 60000

-- Return the text of an error that pcall caught.
local function error_text(failure)
  return type(failure) == 'table' and failure.err or tostring(failure)
end
