-- uses: names keys states records budget rollups attempts delivery_times
-- The statistics: counters of messages by their results, so that a query costs the same for a hundred messages and for
-- ten million messages. A message counts once, by the values of its record: its state, its code, its SMS parts and the
-- time until its delivery. A message counts on the day (in India) and at the provider of its last push, or of its last
-- block if the message was not pushed. A message that was in no block counts on the day of its campaign's creation, at
-- the first provider of the chain. So a script that changes a record takes the old record out of the counters and puts
-- the new record in, in the same atomic step. A repeated or late call changes no record, and no counter.
--
-- Two hashes have the same fields: the statistics of the campaign, and the rollup of a day, a provider and a template
-- of the sender. StatisticsField in ledger/keys.py has the fields. The counters of minutes are kept for a day.

-- The key of a group of messages is the index of its provider times this number, plus the minute of its pushes.
local MINUTES = 16777216
-- Say whether a state counts: a message that is pending or sending has no result yet.
local function is_counted(state)
  return state ~= PENDING and state ~= SENDING
end

-- The states in which a provider accepted the message.
local IS_SENT = {[ACCEPTED] = true, [DELIVERED] = true, [FAILED] = true, [NO_REPORT] = true}
-- The states in which the code of the record gives the reason of the state.
local HAS_CODE = {[FAILED] = true, [REJECTED] = true, [IN_DOUBT] = true, [GIVEN_UP] = true, [SUPPRESSED] = true}

-- Read the fields of a campaign that its statistics need.
local function read_for_statistics(campaign_key)
  local campaign = read_fields(campaign_key, 'created_ms', 'chain', 'template', 'price', 'resent', 'retry_codes',
    'sent_days')
  return campaign
end

-- Collect the changes of messages of a batch for the statistics. `campaign` has the fields of read_for_statistics.
-- Returns a table of functions. All take plain values, because most of them run for each message; `sent` is the field
-- of the message's record:
--   change(index, old_state, old_code, old_sent, old_reported_s, state, code, sent, reported_s)
--                                 the record of a message changed; index: index of the message in the batch
--   accept(sent, messages, parts)  this many messages that were sent at `sent`, and never before, became accepted
--   deliveries_of(sent)           returns a table that the caller fills: how many accepted messages, sent at `sent`,
--                                 were delivered, by the time of the report (epoch, seconds)
--   fail(sent, code)              an accepted message became failed
--   prove(index, attempt, sent)   a provider accepted an attempt of a message that was sent again
--   sent_again(index, attempt, sent)  a message in doubt is to be sent again; attempt: its attempt so far
--   tried_again(index, attempt, sent)  a failed message is to be sent again; attempt: the attempt that failed
--   tries_of(index, attempt)      returns how many second tries the message had up to this attempt
--   recover(index, attempt, sent, sign)  this attempt delivered a message (sign 1), or after all did not (sign -1)
--   add(name, amount, sent)       add to another counter, for a message that was sent at `sent`; see StatisticsField
--   part_counts()                 the SMS parts of each message of the batch, one byte each; false if each has one
--   index_in_campaign(index)      the index of a message in its campaign
--   write(now_ms)                 write all changes
-- `accept`, `deliveries_of` and `fail` are short forms for the most frequent changes, and count the same as `change`.
local function message_statistics(campaign_key, batch_number, campaign)
  local floor, byte = math.floor, string.byte
  local created_ms = tonumber(campaign.created_ms)
  -- The time of the campaign's creation in India, and how many milliseconds of its minute had passed by then.
  local base_ms = created_ms + INDIA_OFFSET_MS
  local into_minute_ms = base_ms % 60000
  local groups, known_part_counts = {}, nil
  local attempts_key = campaign.resent and key_of_attempts(campaign_key)
  local first_index = nil
  -- The group that group_of returned last, and the range of `sent` of its messages.
  local last_group, group_from, group_until = nil, 0, 0

  -- Return the group of the messages that were sent in the same minute through the same provider. A group is a table:
  --   amounts  counters with one name for the campaign and for the day: states, codes, reactions
  --   times    deliveries by the number of the field of the histogram
  --   settled  deliveries that amounts and times do not count yet: by `sent`, and then by the time of the report
  --   parts    SMS parts of messages that a provider accepted
  --   kept     SMS parts of messages that were not sent, by the reason
  --   links    clicks by the name of the field
  local function group_of(sent)
    if sent >= group_from and sent < group_until then return last_group end
    local provider = floor(sent / PROVIDER_UNIT)
    local provider_from = provider * PROVIDER_UNIT
    local minute = floor((into_minute_ms + sent - provider_from) / 60000)
    local key = minute + provider * MINUTES
    local group = groups[key]
    if not group then
      group = {amounts = {}, times = {}, settled = {}, parts = 0, kept = {}, links = {}}
      groups[key] = group
    end
    local minute_from = provider_from + minute * 60000 - into_minute_ms
    last_group, group_from = group, math.max(minute_from, provider_from)
    group_until = math.min(minute_from + 60000, provider_from + PROVIDER_UNIT)
    return group
  end

  local function add(name, amount, sent)
    local group = group_of(sent)
    local amounts, field = group.amounts, name
    if string.sub(name, 1, 5) == 'link:' then
      amounts = group.links
    elseif string.sub(name, 1, 11) == 'kept_parts:' then
      amounts, field = group.kept, string.sub(name, 12)
    end
    amounts[field] = (amounts[field] or 0) + amount
  end

  local function part_counts()
    if known_part_counts == nil then
      known_part_counts = redis.call('GET', key_of_batch(campaign_key, PARTS, batch_number))
    end
    return known_part_counts
  end

  local function parts_of_message(index)
    local counts = part_counts()
    return counts and byte(counts, index + 1) or 1
  end

  local function index_in_campaign(index)
    if not first_index then
      first_index = batch_number * tonumber(redis.call('HGET', campaign_key, 'batch_size'))
    end
    return first_index + index
  end

  -- Return the entries of the attempts of a message; false or nil if the message was not sent again.
  local function attempts_of(index)
    return attempts_key and redis.call('HGET', attempts_key, index_in_campaign(index))
  end

  local function count(state, code, sent, reported_s, sign)
    local group = group_of(sent)
    local amounts = group.amounts
    amounts[state] = (amounts[state] or 0) + sign
    if state == DELIVERED then
      local field = (delivery_time_bucket(reported_s * 1000 - created_ms - sent % PROVIDER_UNIT))
      group.times[field] = (group.times[field] or 0) + sign
    elseif HAS_CODE[state] then
      local field = state .. ':' .. code
      amounts[field] = (amounts[field] or 0) + sign
    end
  end

  local function count_parts(index, state, code, sent, sign)
    if IS_SENT[state] then
      if not attempts_of(index) then
        local group = group_of(sent)
        group.parts = group.parts + sign * parts_of_message(index)
      end
    elseif state == SUPPRESSED then
      local kept = group_of(sent).kept
      kept[code] = (kept[code] or 0) + sign * parts_of_message(index)
    end
  end

  local function change(index, old_state, old_code, old_sent, old_reported_s, state, code, sent, reported_s)
    if is_counted(old_state) then count(old_state, old_code, old_sent, old_reported_s, -1) end
    if is_counted(state) then count(state, code, sent, reported_s, 1) end
    if not (IS_SENT[old_state] and IS_SENT[state] and old_sent == sent) then
      count_parts(index, old_state, old_code, old_sent, -1)
      count_parts(index, state, code, sent, 1)
    end
  end

  local function accept(sent, messages, parts)
    local group = group_of(sent)
    group.amounts[ACCEPTED] = (group.amounts[ACCEPTED] or 0) + messages
    group.parts = group.parts + parts
  end

  local function deliveries_of(sent)
    local settled = group_of(sent).settled
    local deliveries = settled[sent]
    if not deliveries then
      deliveries = {}
      settled[sent] = deliveries
    end
    return deliveries
  end

  local function fail(sent, code)
    local amounts, field = group_of(sent).amounts, FAILED .. ':' .. code
    amounts[ACCEPTED] = (amounts[ACCEPTED] or 0) - 1
    amounts[FAILED] = (amounts[FAILED] or 0) + 1
    amounts[field] = (amounts[field] or 0) + 1
  end

  -- Count the deliveries that deliveries_of collected.
  local function add_settled(group)
    local amounts, times, delivered = group.amounts, group.times, 0
    -- The last field of the histogram, and the range of its times.
    local field, from_ms, until_ms = 0, 0, 0
    for sent, deliveries in pairs(group.settled) do
      local sent_ms = created_ms + sent % PROVIDER_UNIT
      for reported_s, amount in pairs(deliveries) do
        local ms = reported_s * 1000 - sent_ms
        if ms < from_ms or ms >= until_ms then field, from_ms, until_ms = delivery_time_bucket(ms) end
        times[field] = (times[field] or 0) + amount
        delivered = delivered + amount
      end
    end
    if delivered == 0 then return end
    amounts[ACCEPTED] = (amounts[ACCEPTED] or 0) - delivered
    amounts[DELIVERED] = (amounts[DELIVERED] or 0) + delivered
  end

  -- Write one entry of a message that was sent again.
  local function put_attempt(index, entries, entry_at, ...)
    local entry = struct.pack(ATTEMPT_ENTRY, ...)
    entries = string.sub(entries, 1, entry_at - 1) .. entry .. string.sub(entries, entry_at + ATTEMPT_BYTES)
    redis.call('HSET', attempts_key, index_in_campaign(index), entries)
  end

  -- The provider and the day of a push, as an entry of an attempt has them.
  local function provider_and_day(sent)
    return floor(sent / PROVIDER_UNIT), floor((base_ms + sent % PROVIDER_UNIT) / 86400000)
  end

  -- By provider and day: the parts of proved attempts, and how many of the attempts are the first, second, … try again.
  local proved_parts, proved_tries = {}, {}

  local function count_proved(index, provider, day, tries)
    local key = provider * MINUTES + day
    proved_parts[key] = (proved_parts[key] or 0) + parts_of_message(index)
    if tries > 0 then
      proved_tries[key] = proved_tries[key] or {}
      proved_tries[key][tries] = (proved_tries[key][tries] or 0) + 1
    end
  end

  local function prove(index, attempt, sent)
    local entries = attempts_of(index)
    if not entries then return end
    for entry_at = 1, #entries, ATTEMPT_BYTES do
      local entry_attempt, provider, day, flags = struct.unpack(ATTEMPT_ENTRY, entries, entry_at)
      if entry_attempt == attempt then
        if flags % 2 == 0 then
          put_attempt(index, entries, entry_at, attempt, provider, day, flags + PROVED)
          count_proved(index, provider, day, tries_before(entries, attempt))
        end
        return
      end
    end
    local provider, day = provider_and_day(sent)
    put_attempt(index, entries, #entries + 1, attempt, provider, day, PROVED)
    count_proved(index, provider, day, tries_before(entries, attempt))
  end

  local function sent_again(index, attempt, sent)
    attempts_key = key_of_attempts(campaign_key)
    local entries = attempts_of(index) or ''
    for entry_at = 1, #entries, ATTEMPT_BYTES do
      if byte(entries, entry_at) == attempt then return end
    end
    local provider, day = provider_and_day(sent)
    put_attempt(index, entries, #entries + 1, attempt, provider, day, 0)
  end

  local function tried_again(index, attempt, sent)
    attempts_key = key_of_attempts(campaign_key)
    if not attempts_of(index) then redis.call('HSET', attempts_key, index_in_campaign(index), '') end
    -- Its report proves that the provider had accepted the attempt.
    prove(index, attempt, sent)
    local entries = attempts_of(index)
    for entry_at = 1, #entries, ATTEMPT_BYTES do
      local entry_attempt, provider, day, flags = struct.unpack(ATTEMPT_ENTRY, entries, entry_at)
      if entry_attempt == attempt and flags < TRIED_AGAIN then
        put_attempt(index, entries, entry_at, attempt, provider, day, flags + TRIED_AGAIN)
      end
    end
  end

  local function tries_of(index, attempt)
    return attempt > 0 and tries_before(attempts_of(index) or '', attempt) or 0
  end

  local function recover(index, attempt, sent, sign)
    local tries = tries_of(index, attempt)
    if tries > 0 then add('recovered:' .. tries, sign, sent) end
  end

  -- Add the counters of each group to the statistics of the campaign, the rollup of its day and the counters of its
  -- minute.
  local function write(now_ms)
    if next(groups) == nil and next(proved_parts) == nil then return end
    local of_campaign, rollups, minutes = {}, {}, {}
    local price = tonumber(campaign.price or '0')

    local function put(name, amount, of_rollup)
      of_campaign[name] = (of_campaign[name] or 0) + amount
      of_rollup[name] = (of_rollup[name] or 0) + amount
    end

    local function put_parts(parts, of_rollup)
      if parts == 0 then return end
      put('parts', parts, of_rollup)
      -- The campaign has no price of an SMS part.
      if price == 0 then
        put('unpriced', parts, of_rollup)
      else
        put('cost', parts * price, of_rollup)
      end
    end

    local function rollup_of(provider, day)
      local key = provider .. ':' .. day
      if not rollups[key] then rollups[key] = {provider = provider, day = day, amounts = {}, is_sent = false} end
      return rollups[key].amounts, rollups[key]
    end

    -- Count for the course (how many messages by hour and minute), by letter: s sent, d delivered, e failed, c clicked.
    local function put_course(letter, amount, of_rollup, minute)
      if amount == 0 then return end
      local hour = floor(minute / 60)
      local of_hour, of_day, of_minute = 'h' .. hour .. letter, 'h' .. hour % 24 .. letter, minute % 60 .. letter
      of_campaign[of_hour] = (of_campaign[of_hour] or 0) + amount
      of_rollup[of_day] = (of_rollup[of_day] or 0) + amount
      local amounts = minutes[hour]
      if not amounts then
        amounts = {}
        minutes[hour] = amounts
      end
      amounts[of_minute] = (amounts[of_minute] or 0) + amount
    end

    for key, group in pairs(groups) do
      add_settled(group)
      local minute = floor(base_ms / 60000) + key % MINUTES
      local amounts, of_rollup, rollup = group.amounts, rollup_of(floor(key / MINUTES), floor(minute / 1440))
      for name, amount in pairs(amounts) do
        put(name, amount, of_rollup)
        if name ~= EXPIRED and name ~= CANCELLED then rollup.is_sent = true end
      end
      for field, amount in pairs(group.times) do put('t' .. field, amount, of_rollup) end
      put_parts(group.parts, of_rollup)
      for reason, parts in pairs(group.kept) do
        put('kept_parts:' .. reason, parts, of_rollup)
        if price ~= 0 then put('kept_cost:' .. reason, parts * price, of_rollup) end
      end
      for name, amount in pairs(group.links) do of_campaign[name] = (of_campaign[name] or 0) + amount end
      local failed = (amounts[FAILED] or 0) + (amounts[REJECTED] or 0) + (amounts[GIVEN_UP] or 0)
      local delivered, without_report = amounts[DELIVERED] or 0, amounts[NO_REPORT] or 0
      local sent = (amounts[ACCEPTED] or 0) + delivered + (amounts[FAILED] or 0) + without_report
      put_course('s', sent, of_rollup, minute)
      put_course('d', delivered, of_rollup, minute)
      put_course('e', failed, of_rollup, minute)
      put_course('c', amounts.clicked or 0, of_rollup, minute)
    end
    for key, parts in pairs(proved_parts) do
      local of_rollup, rollup = rollup_of(floor(key / MINUTES), key % MINUTES)
      rollup.is_sent = true
      put_parts(parts, of_rollup)
      for tries, messages in pairs(proved_tries[key] or {}) do put('retried:' .. tries, messages, of_rollup) end
    end

    add_to_fields(key_of_statistics(campaign_key), of_campaign)
    local template = campaign.template
    if not template then template = cjson.decode(redis.call('HGET', campaign_key, 'plan')).template end
    -- False in a campaign that an earlier version created.
    local sent_days = campaign.sent_days
    for _, rollup in pairs(rollups) do
      local day_and_provider = rollup.day .. ':' .. provider_at(campaign.chain, rollup.provider)
      local entry = ' ' .. day_and_provider
      if sent_days and rollup.is_sent and not string.find(sent_days .. ' ', entry .. ' ', 1, true) then
        sent_days = sent_days .. entry
      end
      local member = day_and_provider .. ':' .. template
      local rollup_key = key_of_sender('statistics') .. ':' .. member
      if add_to_fields(rollup_key, rollup.amounts) then index_rollup(rollup_key, member, rollup.day) end
    end
    if sent_days ~= campaign.sent_days then redis.call('HSET', campaign_key, 'sent_days', sent_days) end
    add_minutes(minutes, now_ms)
  end

  return {
    change = change, accept = accept, deliveries_of = deliveries_of, fail = fail, add = add, prove = prove,
    sent_again = sent_again, tried_again = tried_again, tries_of = tries_of, recover = recover,
    part_counts = part_counts, index_in_campaign = index_in_campaign, write = write,
  }
end
