-- uses: records frequency
-- Checks messages against the frequency entries of texts and phones before the messages are opened, and adds the
-- entries of messages that are opened. A check only reads. lib/frequency.lua explains the entries.
--
-- A campaign has a phone only once, so an entry of a text by the same campaign belongs to the same message: a message
-- that is sent again is not suppressed because of its own entry.

-- The codes of suppressed messages; Suppression in ledger/states.py has the same codes.
local TOO_MANY = 32
local SAME_TEXT = 33

-- Return the check of a registered text; nil if the same text may be sent again at once.
--   digest          the digest of the registered text
--   repeat_after_s  for how long the same text may not be sent to a phone again, in seconds
--   id              the campaign
--   sizes           the sizes of campaigns, see read_message
--   now_s           the time now (epoch, seconds)
-- Returns a table with all arguments but the digest, and with
--   registry  the registry of this period; its `ids` caches the campaigns by their numbers in the registry
--   lookups   the places of possible entries: the registry (of this or the last period), the size class and its buckets
--   began_s   when this period began (epoch, seconds)
--   unit_s    how many seconds one unit of the time in an entry stands for
local function text_check(digest, repeat_after_s, id, sizes, now_s)
  if repeat_after_s <= 0 then return nil end
  local this_period = math.floor(now_s / repeat_after_s)
  local own_registry = read_registry(key_of_text(digest, this_period), id)
  local lookups = {}
  for _, period in ipairs({this_period, this_period - 1}) do
    local registry = period == this_period and own_registry or read_registry(key_of_text(digest, period), id)
    if registry.has_others then
      registry.began_s, registry.ids = period * repeat_after_s, {}
      for class = 0, (class_for(registry.entries - 1)) do
        lookups[#lookups + 1] = {registry = registry, class = class, buckets = BUCKETS_FACTOR ^ class}
      end
    end
  end
  return {
    id = id, sizes = sizes, registry = own_registry, lookups = lookups, now_s = now_s, repeat_after_s = repeat_after_s,
    began_s = this_period * repeat_after_s, unit_s = math.ceil(repeat_after_s / MAX_TIME),
  }
end

-- Return the sent status of the message that an entry points at, and the age of the entry in seconds. An entry of the
-- campaign that is checked, or an entry that is too old, counts as unsent.
local function sent_status_of_entry(check, registry, entry)
  local campaign_number, index, time = struct.unpack(TEXT_ENTRY, entry)
  local age_s = check.now_s - registry.began_s - time * check.unit_s
  if campaign_number == registry.own_number or age_s >= check.repeat_after_s then return UNSENT, age_s end
  local other = registry.ids[campaign_number]
  if other == nil then
    other = redis.call('HGET', registry.key, 'id:' .. campaign_number)
    registry.ids[campaign_number] = other
  end
  if not other then return SENT, age_s end
  -- A message that cannot be read counts as sent.
  local is_read, state, attempt = pcall(read_message, other, index, check.sizes)
  if not is_read or not state then return SENT, age_s end
  return sent_status(state, attempt), age_s
end

-- Return SAME_TEXT if the same text was sent to the phone within repeat_after_s. Otherwise return nil, and for how many
-- milliseconds the message has to wait (false if the message need not wait).
local function check_text(check, fingerprint)
  local wait_ms = false
  for _, lookup in ipairs(check.lookups) do
    local registry = lookup.registry
    local bucket_key = key_of_bucket(registry.key, lookup.class, lookup.buckets, fingerprint)
    local entry = redis.call('HGET', bucket_key, fingerprint)
    if entry then
      local status, age_s = sent_status_of_entry(check, registry, entry)
      if status == SENT then return SAME_TEXT end
      if status == UNDECIDED then wait_ms = wait_while_undecided_ms(age_s, check.repeat_after_s) end
    end
  end
  return nil, wait_ms
end

-- Add the entries of the texts of messages.
--   fingerprints  a list: the fingerprint of each message
--   indexes       a list: the index of each message in the campaign
local function add_text_entries(check, fingerprints, indexes)
  local registry = check.registry
  local expires_s = check.began_s + 2 * check.repeat_after_s
  local class, buckets = class_for(registry.entries)
  local campaign_number = register_entries(registry, check.id, #fingerprints, expires_s)
  local time = math.floor((check.now_s - check.began_s) / check.unit_s)
  local pack, keys = struct.pack, {}
  for position, fingerprint in ipairs(fingerprints) do
    keys[position] = key_of_bucket(registry.key, class, buckets, fingerprint)
  end
  -- In most calls all buckets exist, and have an expiry already.
  local are_new = redis.call('EXISTS', unpack(keys)) < #keys
  for position, key in ipairs(keys) do
    redis.call('HSET', key, fingerprints[position], pack(TEXT_ENTRY, campaign_number, indexes[position], time))
    if are_new then redis.call('EXPIREAT', key, expires_s) end
  end
end

-- Return the check of phones; nil if there is no limit.
--   max_per_phone  how many messages a phone may get within a period
--   period_s       the period, in seconds
--   id, sizes, now_s  as in text_check
-- Returns a table with the arguments and the registries of this and the last period. Its table `kept` has, by phone,
-- the entries of this period that still count; check_phone fills `kept`.
local function phone_check(max_per_phone, period_s, id, sizes, now_s)
  if max_per_phone <= 0 then return nil end
  local this_period = math.floor(now_s / period_s)
  local registries = {}
  for _, period in ipairs({this_period, this_period - 1}) do
    local registry = read_registry(key_of_phones(period), id)
    registry.period, registry.ids = period, {}
    registries[#registries + 1] = registry
  end
  return {
    id = id, sizes = sizes, registries = registries, period = this_period, now_s = now_s, period_s = period_s,
    max_per_phone = max_per_phone, kept = {},
  }
end

-- Return the sent status of the attempt that an entry points at. If the attempt belongs to the message that is checked,
-- and no other attempt followed, the attempt was not sent, because the message is pending.
local function sent_status_of_attempt(check, registry, campaign_number, index, attempt)
  local id = registry.ids[campaign_number]
  if id == nil then
    id = redis.call('HGET', registry.key, 'id:' .. campaign_number)
    registry.ids[campaign_number] = id
  end
  if not id then return SENT end
  local is_read, state, attempts = pcall(read_message, id, index, check.sizes)
  -- An attempt that another attempt followed was in doubt.
  if not is_read or not state or attempts > attempt then return SENT end
  return sent_status(state, 0)
end

-- Return TOO_MANY if a phone has reached its limit. Otherwise return nil, and for how many milliseconds the message has
-- to wait (false if the message need not wait).
local function check_phone(check, phone)
  local sent, undecided, youngest_s = 0, 0, math.huge
  for _, registry in ipairs(check.registries) do
    local key, field = key_and_field_of_phone(registry.period, phone)
    local entries, kept = redis.call('HGET', key, field) or '', {}
    for entry_at = 1, #entries, PHONE_ENTRY_BYTES do
      local campaign_number, index, attempt, time_s = struct.unpack(PHONE_ENTRY, entries, entry_at)
      local status = UNSENT
      if time_s > check.now_s - check.period_s then
        status = sent_status_of_attempt(check, registry, campaign_number, index, attempt)
      end
      if status == SENT then sent = sent + 1 end
      if status == UNDECIDED then undecided, youngest_s = undecided + 1, math.min(youngest_s, check.now_s - time_s) end
      if status ~= UNSENT then kept[#kept + 1] = string.sub(entries, entry_at, entry_at + PHONE_ENTRY_BYTES - 1) end
    end
    if registry.period == check.period then check.kept[phone] = table.concat(kept) end
  end
  if sent >= check.max_per_phone then return TOO_MANY end
  local must_wait = sent + undecided >= check.max_per_phone
  return nil, must_wait and wait_while_undecided_ms(youngest_s, check.period_s)
end

-- Add the entries of the phones of messages that were checked.
--   phones    a list: the phone of each message
--   indexes   a list: the index of each message in the campaign
--   attempts  a list: the attempt of each message
local function add_phone_entries(check, phones, indexes, attempts)
  local registry = unpack(check.registries)
  local expires_s = (check.period + 2) * check.period_s
  local campaign_number = register_entries(registry, check.id, #phones, expires_s)
  for position, phone in ipairs(phones) do
    local key, field = key_and_field_of_phone(check.period, phone)
    local entry = struct.pack(PHONE_ENTRY, campaign_number, indexes[position], attempts[position], check.now_s)
    redis.call('HSET', key, field, check.kept[phone] .. entry)
    redis.call('EXPIREAT', key, expires_s)
  end
end

-- Return the checks of the stretch of messages whose fingerprints were passed, by the arguments of open_block.lua; nil
-- if the sender has no such limit. Returns a table:
--   first_index, last_index  where the stretch begins and ends in the batch
--   batch_begins             the index of the batch's first message in the campaign
--   fingerprints, phones     the arguments of the script; `phones` is a list
--   of_texts, of_phones      see text_check and phone_check; nil without the limit
--   suppressed, codes        lists that may_be_sent fills: the indexes of suppressed messages, and their codes
--   waits_ms                 when the first message that waits is to be tried again, in milliseconds from now
local function stretch_checks(args, batch_size, now_s)
  local repeat_after_s, max_per_phone = tonumber(args.repeat_after_s), tonumber(args.max_per_phone)
  if repeat_after_s <= 0 and max_per_phone <= 0 then return nil end
  local id, sizes, phones = args.campaign, {}, {}
  for phone in string.gmatch(args.phones, '%d+') do phones[#phones + 1] = phone end
  local first_index = tonumber(args.first_index)
  return {
    first_index = first_index,
    last_index = first_index + #args.fingerprints / FINGERPRINT_BYTES - 1,
    batch_begins = tonumber(args.batch_number) * tonumber(batch_size),
    fingerprints = args.fingerprints, phones = phones,
    of_texts = text_check(args.digest, repeat_after_s, id, sizes, now_s),
    of_phones = phone_check(max_per_phone, tonumber(args.period_s), id, sizes, now_s),
    suppressed = {}, codes = {}, waits_ms = math.huge,
  }
end

local function fingerprint_of(checks, index)
  local last = (index - checks.first_index + 1) * FINGERPRINT_BYTES
  return string.sub(checks.fingerprints, last - FINGERPRINT_BYTES + 1, last)
end

-- Say whether a message may be sent now. If not, note in `checks` that the message is suppressed, or how long the
-- message waits.
local function may_be_sent(checks, index)
  local code, wait_for_text_ms, wait_for_phone_ms = nil, false, false
  if checks.of_texts then code, wait_for_text_ms = check_text(checks.of_texts, fingerprint_of(checks, index)) end
  if checks.of_phones and not code then
    code, wait_for_phone_ms = check_phone(checks.of_phones, checks.phones[index - checks.first_index + 1])
  end
  if code then
    checks.suppressed[#checks.suppressed + 1] = index
    checks.codes[#checks.codes + 1] = code
    return false
  end
  if not wait_for_text_ms and not wait_for_phone_ms then return true end
  checks.waits_ms = math.min(checks.waits_ms, math.max(wait_for_text_ms or 0, wait_for_phone_ms or 0))
  return false
end

-- Add the entries of the messages of a block that are sending now; `indexes` lists the messages in the batch.
local function add_entries(checks, indexes, messages_key, count)
  local fingerprints, in_campaign, phones, attempts = {}, {}, {}, {}
  for position, index in ipairs(indexes) do
    fingerprints[position] = fingerprint_of(checks, index)
    in_campaign[position] = checks.batch_begins + index
    if checks.of_phones then
      phones[position] = checks.phones[index - checks.first_index + 1]
      local first = record_range(count, index)
      attempts[position] = string.byte(redis.call('GETRANGE', messages_key, first, first))
    end
  end
  if checks.of_texts then add_text_entries(checks.of_texts, fingerprints, in_campaign) end
  if checks.of_phones then add_phone_entries(checks.of_phones, phones, in_campaign, attempts) end
end
