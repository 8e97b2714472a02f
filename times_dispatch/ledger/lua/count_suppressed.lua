-- uses: names suppression frequency
--
-- Say how many messages that are not stored yet the frequency caps of their sender would suppress, if the messages were
-- opened at a given moment. This script writes nothing.
--
-- Arguments
--   at_s            the moment (epoch, seconds)
--   digest, repeat_after_s, max_per_phone, period_s, fingerprints, phones
--                   as in open_block.lua, for all messages
-- Reply
--   same_text    messages whose text went to their phone within repeat_after_s
--   too_many     messages to phones that have reached their limit
--   undecided    messages that would wait, because an earlier message is sending or in doubt
--   has_entries  1 if any message of the sender counts at that moment, else 0; with 0, all other numbers are 0
--                too, whatever the messages are
-- Keys: the sender's recent_texts and recent_phones with all keys below them, and the messages of other campaigns whose
--   entries are found.
-- Cost: as the checks of open_block.lua.
local args = arguments({'at_s', 'digest', 'repeat_after_s', 'max_per_phone', 'period_s', 'fingerprints', 'phones'})

-- Say whether any campaign has entries that these checks would find.
local function has_entries(checks)
  if not checks then return false end
  if checks.of_texts and #checks.of_texts.lookups > 0 then return true end
  for _, registry in ipairs(checks.of_phones and checks.of_phones.registries or {}) do
    if registry.has_others then return true end
  end
  return false
end

-- The messages belong to no campaign yet, so every entry belongs to another campaign.
local checks = stretch_checks({
  campaign = '', batch_number = 0, digest = args.digest, repeat_after_s = args.repeat_after_s,
  max_per_phone = args.max_per_phone, period_s = args.period_s, fingerprints = args.fingerprints, first_index = 0,
  phones = args.phones,
}, 1, tonumber(args.at_s))
local counts = {same_text = 0, too_many = 0, undecided = 0, has_entries = has_entries(checks) and 1 or 0}
if counts.has_entries == 1 then
  local allowed = 0
  for index = 0, checks.last_index do
    if may_be_sent(checks, index) then allowed = allowed + 1 end
  end
  for _, code in ipairs(checks.codes) do
    local name = code == TOO_MANY and 'too_many' or 'same_text'
    counts[name] = counts[name] + 1
  end
  counts.undecided = #args.fingerprints / FINGERPRINT_BYTES - allowed - #checks.codes
end
return reply(counts)
