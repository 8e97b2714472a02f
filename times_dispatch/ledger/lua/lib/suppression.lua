-- uses: records frequency
-- The check of messages against the marks of texts and numbers, before they are opened; and the marks of those that are
-- opened. Checking reads only. lib/frequency.lua explains the marks.
--
-- A number stands once in a campaign, so a mark of a text by this campaign is by the same message: a message that is
-- sent again is not stopped by itself.

-- Why a message is suppressed; Suppression in ledger/states.py has the same codes.
local TOO_MANY = 32
local SAME_TEXT = 33

-- Return the check of a registered text, nil if the same text may go again at once.
--   digest          of the registered text
--   repeat_after_s  how long the same text may not go to a number again
--   id, sizes       the campaign; the sizes of campaigns, see read_message
local function text_check(digest, repeat_after_s, id, sizes, now_s)
  if repeat_after_s <= 0 then return nil end
  local period = math.floor(now_s / repeat_after_s)
  local registry = read_registry(key_of_text(digest, period), id)
  local lookups = {}
  for _, looked_at in ipairs({period, period - 1}) do
    local marked = looked_at == period and registry or read_registry(key_of_text(digest, looked_at), id)
    if marked.has_others then
      marked.began_s, marked.ids = looked_at * repeat_after_s, {}
      for class = 0, (class_for(marked.marks - 1)) do
        lookups[#lookups + 1] = {registry = marked, class = class, buckets = BUCKETS_FACTOR ^ class}
      end
    end
  end
  return {
    id = id, sizes = sizes, registry = registry, lookups = lookups, now_s = now_s, repeat_after_s = repeat_after_s,
    began_s = period * repeat_after_s, unit_s = math.ceil(repeat_after_s / MAX_TIME),
  }
end

-- Return what became of the message that made a mark, and how old the mark is. A mark of this campaign, or one that is
-- too old, counts as unsent.
local function fate_of_mark(text, registry, mark)
  local number, index, time = struct.unpack(TEXT_MARK, mark)
  local age_s = text.now_s - registry.began_s - time * text.unit_s
  if number == registry.own_number or age_s >= text.repeat_after_s then return UNSENT, age_s end
  local other = registry.ids[number]
  if other == nil then
    other = redis.call('HGET', registry.key, 'id:' .. number)
    registry.ids[number] = other
  end
  if not other then return WENT, age_s end
  -- What cannot be read counts as sent.
  local is_read, state, attempt = pcall(read_message, other, index, text.sizes)
  if not is_read or not state then return WENT, age_s end
  return fate_of(state, attempt), age_s
end

-- Return SAME_TEXT if this text went to this number lately; or nil, and for how many milliseconds the message has to
-- wait, false if it need not.
local function check_text(text, fingerprint)
  local wait_ms = false
  for _, lookup in ipairs(text.lookups) do
    local registry = lookup.registry
    local mark = redis.call('HGET', key_of_bucket(registry.key, lookup.class, lookup.buckets, fingerprint), fingerprint)
    if mark then
      local fate, age_s = fate_of_mark(text, registry, mark)
      if fate == WENT then return SAME_TEXT end
      if fate == UNDECIDED then wait_ms = wait_for_fate_ms(age_s, text.repeat_after_s) end
    end
  end
  return nil, wait_ms
end

-- Mark the texts of messages.
--   fingerprints  a list, one for each message
--   indexes       a list: their indexes in the campaign
local function mark_texts(text, fingerprints, indexes)
  local registry = text.registry
  local expires_s = text.began_s + 2 * text.repeat_after_s
  local class, buckets = class_for(registry.marks)
  local number = register_marks(registry, text.id, #fingerprints, expires_s)
  local time = math.floor((text.now_s - text.began_s) / text.unit_s)
  local pack, keys = struct.pack, {}
  for position, fingerprint in ipairs(fingerprints) do
    keys[position] = key_of_bucket(registry.key, class, buckets, fingerprint)
  end
  -- Mostly all buckets are there, and expire already.
  local are_new = redis.call('EXISTS', unpack(keys)) < #keys
  for position, key in ipairs(keys) do
    redis.call('HSET', key, fingerprints[position], pack(TEXT_MARK, number, indexes[position], time))
    if are_new then redis.call('EXPIREAT', key, expires_s) end
  end
end

-- Return the check of numbers, nil if there is no limit.
--   max_to_number  how many messages a number may get within a period
--   period_s       the period, in seconds
local function number_check(max_to_number, period_s, id, sizes, now_s)
  if max_to_number <= 0 then return nil end
  local period = math.floor(now_s / period_s)
  local registries = {}
  for _, looked_at in ipairs({period, period - 1}) do
    local registry = read_registry(key_of_numbers(looked_at), id)
    registry.period, registry.ids = looked_at, {}
    registries[#registries + 1] = registry
  end
  return {
    id = id, sizes = sizes, registries = registries, period = period, now_s = now_s, period_s = period_s,
    max_to_number = max_to_number, kept = {},
  }
end

-- Return what became of the attempt that made a mark. An attempt of the message that is checked, if it was not followed
-- by another one, was not sent: the message is pending.
local function fate_of_attempt(numbers, registry, campaign_number, index, attempt)
  local id = registry.ids[campaign_number]
  if id == nil then
    id = redis.call('HGET', registry.key, 'id:' .. campaign_number)
    registry.ids[campaign_number] = id
  end
  if not id then return WENT end
  local is_read, state, attempts = pcall(read_message, id, index, numbers.sizes)
  -- An attempt that was followed by another one was in doubt.
  if not is_read or not state or attempts > attempt then return WENT end
  return fate_of(state, 0)
end

-- Return TOO_MANY if a number has had its most; or nil, and for how many milliseconds the message has to wait, false if
-- it need not.
local function check_number(numbers, number)
  local went, undecided, youngest_s = 0, 0, math.huge
  for _, registry in ipairs(numbers.registries) do
    local key, field = recent_number(registry.period, number)
    local marks, kept = redis.call('HGET', key, field) or '', {}
    for at = 1, #marks, NUMBER_MARK_BYTES do
      local campaign_number, index, attempt, time_s = struct.unpack(NUMBER_MARK, marks, at)
      local fate = UNSENT
      if time_s > numbers.now_s - numbers.period_s then
        fate = fate_of_attempt(numbers, registry, campaign_number, index, attempt)
      end
      if fate == WENT then went = went + 1 end
      if fate == UNDECIDED then undecided, youngest_s = undecided + 1, math.min(youngest_s, numbers.now_s - time_s) end
      if fate ~= UNSENT then kept[#kept + 1] = string.sub(marks, at, at + NUMBER_MARK_BYTES - 1) end
    end
    if registry.period == numbers.period then numbers.kept[number] = table.concat(kept) end
  end
  if went >= numbers.max_to_number then return TOO_MANY end
  local must_wait = went + undecided >= numbers.max_to_number
  return nil, must_wait and wait_for_fate_ms(youngest_s, numbers.period_s)
end

-- Mark the numbers of messages that were checked.
--   texted    a list: the number of each message
--   indexes   a list: their indexes in the campaign
--   attempts  a list: their attempts
local function mark_numbers(numbers, texted, indexes, attempts)
  local registry = unpack(numbers.registries)
  local expires_s = (numbers.period + 2) * numbers.period_s
  local campaign_number = register_marks(registry, numbers.id, #texted, expires_s)
  for position, number in ipairs(texted) do
    local key, field = recent_number(numbers.period, number)
    local mark = struct.pack(NUMBER_MARK, campaign_number, indexes[position], attempts[position], numbers.now_s)
    redis.call('HSET', key, field, numbers.kept[number] .. mark)
    redis.call('EXPIREAT', key, expires_s)
  end
end

-- Return the checks of the stretch of messages whose fingerprints were passed, by the arguments of open_block.lua; nil
-- if the sender has no such limit. They collect which messages are suppressed, with their codes, and when the messages
-- that wait are to be tried again.
local function stretch_checks(args, batch_size, now_s)
  local repeat_after_s, max_to_number = tonumber(args.repeat_after_s), tonumber(args.max_to_number)
  if repeat_after_s <= 0 and max_to_number <= 0 then return nil end
  local id, sizes, list = args.campaign, {}, {}
  for listed in string.gmatch(args.numbers, '%d+') do list[#list + 1] = listed end
  local first_index = tonumber(args.first_index)
  return {
    first_index = first_index,
    last_index = first_index + #args.fingerprints / FINGERPRINT_BYTES - 1,
    batch_begins = tonumber(args.number) * tonumber(batch_size),
    fingerprints = args.fingerprints, texted = list,
    text = text_check(args.digest, repeat_after_s, id, sizes, now_s),
    numbers = number_check(max_to_number, tonumber(args.period_s), id, sizes, now_s),
    suppressed = {}, codes = {}, waits_ms = math.huge,
  }
end

local function fingerprint_of(checks, index)
  local last = (index - checks.first_index + 1) * FINGERPRINT_BYTES
  return string.sub(checks.fingerprints, last - FINGERPRINT_BYTES + 1, last)
end

-- Say whether a message may go, and note why if it may not.
local function may_go(checks, index)
  local code, wait_ms, more_ms = nil, false, false
  if checks.text then code, wait_ms = check_text(checks.text, fingerprint_of(checks, index)) end
  if checks.numbers and not code then
    code, more_ms = check_number(checks.numbers, checks.texted[index - checks.first_index + 1])
  end
  if code then
    checks.suppressed[#checks.suppressed + 1] = index
    checks.codes[#checks.codes + 1] = code
    return false
  end
  if not wait_ms and not more_ms then return true end
  checks.waits_ms = math.min(checks.waits_ms, math.max(wait_ms or 0, more_ms or 0))
  return false
end

-- Mark the messages of a block that are sending now, by their indexes in the batch.
local function mark_chosen(checks, indexes, messages_key, count)
  local fingerprints, in_campaign, texted, attempts = {}, {}, {}, {}
  for position, index in ipairs(indexes) do
    fingerprints[position] = fingerprint_of(checks, index)
    in_campaign[position] = checks.batch_begins + index
    if checks.numbers then
      texted[position] = checks.texted[index - checks.first_index + 1]
      local first = record_range(count, index)
      attempts[position] = string.byte(redis.call('GETRANGE', messages_key, first, first))
    end
  end
  if checks.text then mark_texts(checks.text, fingerprints, in_campaign) end
  if checks.numbers then mark_numbers(checks.numbers, texted, in_campaign, attempts) end
end
