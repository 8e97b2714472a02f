-- uses: names keys memory clock states records spans counters campaigns brakes budget statistics retries
-- uses: reactions
--
-- Apply delivery reports to the messages of a batch. Safe to repeat, in any order. A report that says delivered changes
-- every other state. A failed message keeps the code of its first failed report. A report may come before its message
-- is accepted. A report may come while its message is pending again: the report proves that the message was sent, so
-- the message is not sent a second time. The other kinds of reports (a click, a reply, an intermediate event) prove
-- only that the push arrived: if the ledger did not know this, the message becomes accepted, and waits for its report.
-- A report proves a push even if the ledger lost the push (a power cut, a failover), because only this program can make
-- the correlation id: the record is made or corrected from the report, and the message is not sent again. If the code
-- of a failed report is in the campaign's rule ([retry_failed]), the message waits for a second try. A click or a reply
-- ends this wait for good, because somebody got the message. The message is failed then, also if its second try was
-- pending. Any other report about the failed attempt changes nothing, unless it says delivered. See lib/retries.lua.
--
-- Arguments
--   campaign, batch_number  the batch
--   reports                 for each report: index in the batch u16, attempt u8, kind (one byte, a ReportLetter), code
--                           u16, time u32 (epoch, seconds); cheapest if sorted by index
--   reactions               a list of clicks, replies and opt-outs: kind (clicked, replied or opted_out), the index of
--                           the message in the batch, the number of the link from 1 (0: not known), and digest, eight
--                           bytes that tell one reaction from others; or, instead of the digest, visit: the id of a
--                           visit of a tracked link
-- Reply: effects, one byte for each report: a ReportEffect.
-- Keys: campaign, messages, parts and codes of the batch; recent_report, clicked, replied, opted_out, clickers,
--   clickers of each link, repliers, unsubscribers, visits, attempts, retries, reacted and statistics of the campaign;
--   the sender's settle_due, rotations, waiting, blocked, live, ended, changed, statistics and minutes.
-- Atomic: the states, the counters and the brake.
-- Cost: O(reports).
--
-- The reports are packed, and the functions below take plain values: a table for each report would be slower.
local ITEM_BYTES = 10
-- Where the code and the time begin in a report, counted from its first byte.
local REPORTED_CODE_OFFSET = 4
local REPORTED_TIME_OFFSET = 6
local NO_CODE = '\0\0'
-- The field `sent` of the record of a message that was never sent.
local NEVER_SENT = '\0\0\0\0\0'
-- The kinds of reports, as the bytes of their letters (ReportLetter in ledger/protocol.py). Arrived: a click, reply or
-- intermediate event. Noticed: a program fetched a link. Visited: a click on a tracked link, which names no attempt.
local REPORT_DELIVERED = 100
local REPORT_FAILED = 102
local REPORT_ARRIVED = 111
local REPORT_NOTICED = 118
local REPORT_VISITED = 119
-- The effects of a report (ReportEffect). Stale: an earlier attempt failed. Corrected: delivered after a failed report.
local APPLIED = 'A'
local CORRECTED = 'C'
local DUPLICATE = 'D'
local STALE = 'S'
local UNKNOWN = 'U'
-- The states in which the ledger does not know that a provider accepted the message.
local NOT_ACCEPTED = {
  [PENDING] = true, [SENDING] = true, [IN_DOUBT] = true, [GIVEN_UP] = true, [REJECTED] = true, [SUPPRESSED] = true,
  [EXPIRED] = true, [CANCELLED] = true,
}
-- The states in which the SMS parts of a message do not count as handed to a provider. A message that is pending
-- because it is sent again is in none of these states: its first attempt was handed over.
local NOT_HANDED_OVER = {[REJECTED] = true, [SUPPRESSED] = true, [EXPIRED] = true, [CANCELLED] = true}
-- The states in which no push of the recorded attempt is under way.
local NOT_UNDER_WAY = {[PENDING] = true, [IN_DOUBT] = true, [GIVEN_UP] = true}

local args = arguments({'campaign', 'batch_number', 'reports'},
  {reactions = {'kind', 'index', 'link', 'digest', 'visit'}})
local id, batch_number, reports = args.campaign, tonumber(args.batch_number), args.reports
local campaign_key = key_of_campaign(id)
local messages_key = key_of_batch(campaign_key, MESSAGES, batch_number)
local sub, byte, pack_bytes, unpack_bytes = string.sub, string.byte, struct.pack, struct.unpack
local counts, codes = counter_deltas(), counter_deltas()
-- For how many reports the effect is known, and the effects of reports that were not applied, by position from 1.
local effect_count, other_effects = 0, {}
-- How many reports settled a message (delivered or failed), and the positions of failed reports among them, from 1.
local settled_count, failed_positions = 0, {}
-- The earliest sending time among the messages that become accepted by these reports.
local first_sent_ms = nil
-- The indexes of messages that these reports prove to be accepted, and of those that they prove to be handed over.
local accepted, handed_over = {}, {}
-- The result of time_since_creation(), which is computed when the first record lacks the time.
local since_created_ms = nil
-- The campaign's fields for the statistics, and the object that collects changes of the statistics.
local campaign, statistics
-- The campaign's rule for second tries (nil without a rule), and when the first message that waits for one is due.
local rule, second_try_ms = nil, nil
-- The field `reported_s` of a record without a report.
local NO_TIME = '\0\0\0\0'
-- The attempts that reports prove, if messages of the campaign were sent again: index and attempt.
local proved = {}

-- Return the time from the campaign's creation until now.
local function time_since_creation()
  if not since_created_ms then
    since_created_ms = time_since_created(campaign.created_ms, math.floor(now_us() / 1000))
  end
  return since_created_ms
end

-- Return the state that a report gives to a message (nil: no change), and the effect unless the effect is `applied`.
--   recorded_attempt, attempt  the attempt of the message's record, and the attempt that the report is about
--   has_failed  whether the message has no report yet, and an earlier attempt of it failed
--   waits       whether the message is failed and waits for a second try
local function state_after_report(index, state, recorded_attempt, attempt, kind, has_failed, waits)
  if kind == REPORT_NOTICED then return nil, DUPLICATE end
  if waits and attempt > recorded_attempt then
    -- The ledger lost the push of the second try.
    if kind == REPORT_FAILED then return FAILED end
    if kind == REPORT_ARRIVED then return ACCEPTED end
  end
  if has_failed and kind == REPORT_ARRIVED and attempt < recorded_attempt then
    if not gets_no_second_try(campaign_key, statistics.index_in_campaign(index)) then return nil, DUPLICATE end
    if state == PENDING then return FAILED end
  end
  -- The provider's response rejected the message; only the report of a later attempt proves another push.
  local can_change = NOT_ACCEPTED[state] and (state ~= REJECTED or attempt > recorded_attempt)
  if kind == REPORT_DELIVERED and (state == FAILED or has_failed) then return DELIVERED, CORRECTED end
  if kind == REPORT_DELIVERED and state ~= DELIVERED then return DELIVERED end
  if kind == REPORT_FAILED and attempt < recorded_attempt then return nil, STALE end
  if kind == REPORT_FAILED and (can_change or state == ACCEPTED or state == NO_REPORT) then return FAILED end
  if kind == REPORT_ARRIVED and can_change then return ACCEPTED end
  if kind ~= REPORT_ARRIVED then counts.add('stat:duplicate_reports', 1) end
  return nil, DUPLICATE
end

-- Return which attempt the record of a message is about after a report changed the message's state: the last attempt
-- that the ledger knows to be pushed. A failed report about this attempt counts. A delivered message has the attempt
-- that was delivered, unless a result of a later attempt may still come.
--   has_failed     see state_after_report
--   has_result     whether the result of the push of the recorded attempt is known
local function attempt_after(state, recorded_attempt, attempt, kind, has_failed, has_result)
  if attempt >= recorded_attempt then return attempt end
  if kind == REPORT_ARRIVED and NOT_UNDER_WAY[state] then
    if not has_failed then return attempt end
    -- A click may be about any attempt that was pushed.
    return state == PENDING and recorded_attempt - 1 or recorded_attempt
  end
  if kind == REPORT_DELIVERED and (NOT_UNDER_WAY[state] or has_result) then return attempt end
  return recorded_attempt
end

-- Count that a report gives a message a new state.
--   is_of_failed  whether the report may be about an attempt with a failed report, whose parts were counted before
--   is_lost_try    whether the report proves a push of a second try that the ledger lost
local function count_change(index, state, recorded_attempt, old_code, new_state, code, is_of_failed, is_lost_try)
  if state == FAILED then codes.add('report:' .. old_code, -1) end
  if state == IN_DOUBT or state == GIVEN_UP or state == REJECTED or state == SUPPRESSED then
    codes.add(code_origin(old_code) .. old_code, -1)
  end
  if (NOT_ACCEPTED[state] and not (is_of_failed and state ~= SENDING)) or is_lost_try then
    accepted[#accepted + 1] = index
  end
  if NOT_HANDED_OVER[state] or (state == PENDING and recorded_attempt == 0) or is_lost_try then
    handed_over[#handed_over + 1] = index
  end
  if new_state == FAILED then codes.add('report:' .. code, 1) end
  counts.move(state, new_state)
  if state == PENDING then counts.add('stat:reported_while_pending', 1) end
  -- A message that is failed again was counted when its failed report came.
  if new_state ~= ACCEPTED and not (new_state == FAILED and is_of_failed) then
    settled_count = settled_count + 1
    if new_state == FAILED then failed_positions[#failed_positions + 1] = settled_count end
  end
end

-- Let a failed message wait for a second try, if the campaign's rule wants one.
local function follow_rule(index, attempt, code, sent, reported_s)
  if not rule.codes[code] or attempt >= MAX_ATTEMPT then return end
  if gets_no_second_try(campaign_key, statistics.index_in_campaign(index)) then return end
  if rule.state ~= 'running' and rule.state ~= 'paused' and rule.state ~= 'braked' then return end
  local tries, now_ms = statistics.tries_of(index, attempt), math.floor(now_us() / 1000)
  if tries >= rule.at_most then return end
  local due_ms = second_try_due_ms(rule, campaign.created_ms + sent % PROVIDER_UNIT, reported_s, tries, now_ms)
  if math.max(due_ms, now_ms) >= rule.until_ms then return end
  wait_for_second_try(campaign_key, statistics.index_in_campaign(index))
  second_try_ms = math.min(second_try_ms or due_ms, due_ms)
end

-- Apply the reports that are packed from `span_at` to `last_at`; they are about messages from `first` to `last`, in
-- ascending order. The report of a message changes few bytes, so a record is not unpacked: the states and the records
-- are joined from the changed bytes and the unchanged pieces between them. The last item of `state_pieces` is the state
-- of the message that changed last. The last four items of `record_pieces` are the bytes before this message's code,
-- its code, the time when it was sent, and the time of its report. The pieces have positions and no names, because
-- table.concat joins a list. Nearly all reports settle an accepted message: the loop counts these reports, and
-- count_change all others.
local function apply_span(span_at, last_at, first, last, count)
  local states = redis.call('GETRANGE', messages_key, first, last)
  local start = record_range(count, first)
  local records = redis.call('GETRANGE', messages_key, start, start + (last - first + 1) * WIDTH - 1)
  local state_pieces, state_length, record_pieces, record_length = {}, 0, {}, 0
  local states_from, records_from = 1, 1
  local has_sent_again, delivered, failed = campaign.resent, 0, 0
  -- The last unpacked bytes of the field `sent` and of the time of a report, with their values; and the deliveries of
  -- messages that were sent at that time, by the time of the report.
  local known_sent_bytes, known_sent, deliveries = nil, nil, nil
  local known_time_bytes, known_time = nil, nil
  -- The message that the last report changed; several reports may be about this message.
  local changed, changed_state, changed_code, changed_attempt = nil, nil, nil, nil
  for item_at = span_at, last_at, ITEM_BYTES do
    local index_high, index_low, attempt, kind, code_high, code_low = byte(reports, item_at, item_at + 5)
    local index, code = index_high * 256 + index_low, code_high * 256 + code_low
    local time_bytes = sub(reports, item_at + REPORTED_TIME_OFFSET, item_at + REPORTED_TIME_OFFSET + 3)
    if time_bytes ~= known_time_bytes then
      known_time_bytes, known_time = time_bytes, unpack_bytes('>I4', time_bytes)
    end
    local offset, reported_s, is_first = index - first, known_time, index ~= changed
    local record = offset * WIDTH + 1
    local state = is_first and sub(states, offset + 1, offset + 1) or changed_state
    local recorded_attempt = is_first and byte(records, record) or changed_attempt
    local is_visit = kind == REPORT_VISITED
    if is_visit then kind, attempt = REPORT_ARRIVED, attempt_of_visit(state, recorded_attempt) end
    local sent_bytes = sub(records, record + SENT_OFFSET, record + REPORTED_OFFSET - 1)
    if sent_bytes ~= known_sent_bytes then
      known_sent_bytes, known_sent, deliveries = sent_bytes, unpack_bytes('>I5', sent_bytes), nil
    end
    local sent = known_sent
    local is_settling = state == ACCEPTED and attempt == recorded_attempt and sent > 0 and is_first
      and (kind == REPORT_DELIVERED or kind == REPORT_FAILED)
    local new_state, effect, has_failed, waits
    if is_settling then
      new_state = kind == REPORT_DELIVERED and DELIVERED or FAILED
    else
      has_failed = recorded_attempt > 0 and NOT_ACCEPTED[state]
        and sub(records, record + REPORTED_OFFSET, record + TRANSACTION_OFFSET - 1) ~= NO_TIME
      waits = rule and state == FAILED
        and waits_for_second_try(campaign_key, statistics.index_in_campaign(index))
      new_state, effect = state_after_report(index, state, recorded_attempt, attempt, kind, has_failed, waits)
    end
    if new_state then
      if is_first then
        if states_from <= offset then
          state_length = state_length + 1
          state_pieces[state_length] = sub(states, states_from, offset)
        end
        state_length, record_length = state_length + 1, record_length + 4
        record_pieces[record_length - 3] = sub(records, records_from, record + CODE_OFFSET - 1)
        states_from, records_from = offset + 2, record + TRANSACTION_OFFSET
      end
      state_pieces[state_length] = new_state
      local code_at = item_at + REPORTED_CODE_OFFSET
      local code_bytes = new_state == FAILED and sub(reports, code_at, code_at + 1) or NO_CODE
      if has_failed and kind == REPORT_ARRIVED and (state == SENDING or new_state == FAILED) then
        -- The record keeps the code and the time of the failed report.
        code_bytes = sub(records, record + CODE_OFFSET, record + SENT_OFFSET - 1)
        time_bytes = sub(records, record + REPORTED_OFFSET, record + TRANSACTION_OFFSET - 1)
        code, reported_s = unpack_bytes('>I2', code_bytes), unpack_bytes('>I4', time_bytes)
      end
      record_pieces[record_length - 2] = code_bytes
      if is_settling then
        settled_count = settled_count + 1
        if new_state == DELIVERED then
          delivered, deliveries = delivered + 1, deliveries or statistics.deliveries_of(sent)
          deliveries[reported_s] = (deliveries[reported_s] or 0) + 1
        else
          failed = failed + 1
          failed_positions[#failed_positions + 1] = settled_count
          statistics.fail(sent, code)
          codes.add('report:' .. code, 1)
        end
        changed, changed_state, changed_code = index, new_state, new_state == FAILED and code or 0
        changed_attempt = recorded_attempt
      else
        local old_code = is_first and unpack_bytes('>I2', records, record + CODE_OFFSET) or changed_code
        local is_lost_try = (waits and attempt > recorded_attempt)
          or (has_failed and state == PENDING and attempt >= recorded_attempt)
        local is_of_failed = has_failed and (attempt < recorded_attempt or is_visit)
        count_change(index, state, recorded_attempt, old_code, new_state, code, is_of_failed, is_lost_try)
        changed, changed_state, changed_code = index, new_state, new_state == FAILED and code or 0
        local has_result = state ~= SENDING and attempt < recorded_attempt
          and sub(records, record + TRANSACTION_OFFSET, record + WIDTH - 1) ~= NO_TRANSACTION
        changed_attempt = attempt_after(state, recorded_attempt, attempt, kind, has_failed, has_result)
        if changed_attempt ~= recorded_attempt then
          local before = record_pieces[record_length - 3]
          local at_attempt = #before - CODE_OFFSET
          before = sub(before, 1, at_attempt) .. string.char(changed_attempt) .. sub(before, at_attempt + 2)
          record_pieces[record_length - 3] = before
        end
        local old_sent = sent
        if sent_bytes == NEVER_SENT then
          sent = time_since_creation()
          sent_bytes = pack_bytes('>I5', sent)
          -- An earlier report of this call gave the message the same time.
          if not is_first then old_sent = sent end
        end
        statistics.change(index, state, old_code, old_sent, 0, new_state, changed_code, sent, reported_s)
        if waits then end_wait_for_second_try(campaign_key, statistics.index_in_campaign(index)) end
      end
      if changed_attempt > 0 and new_state == DELIVERED then statistics.recover(index, changed_attempt, sent, 1) end
      if rule and new_state == FAILED then follow_rule(index, changed_attempt, code, sent, reported_s) end
      record_pieces[record_length - 1] = sent_bytes
      if new_state == ACCEPTED then
        record_pieces[record_length] = sub(records, record + REPORTED_OFFSET, record + TRANSACTION_OFFSET - 1)
        local sent_ms = sent % PROVIDER_UNIT
        first_sent_ms = math.min(first_sent_ms or sent_ms, sent_ms)
      else
        record_pieces[record_length] = time_bytes
      end
    end
    effect_count = effect_count + 1
    if effect then other_effects[effect_count] = effect end
    if has_sent_again then
      -- The provider's response rejected the message: only a later attempt or a delivery proves a push.
      local proves_nothing = kind == REPORT_NOTICED
        or (state == REJECTED and attempt == recorded_attempt and kind ~= REPORT_DELIVERED)
        or (is_visit and attempt > 0)
      if not proves_nothing then proved[#proved + 1] = {index = index, attempt = attempt} end
    end
  end
  if changed then
    if delivered + failed > 0 then
      counts.add(ACCEPTED, -delivered - failed)
      counts.add(DELIVERED, delivered)
      counts.add(FAILED, failed)
    end
    redis.call('SETRANGE', messages_key, first, table.concat(state_pieces) .. sub(states, states_from))
    redis.call('SETRANGE', messages_key, start, table.concat(record_pieces) .. sub(records, records_from))
  end
end

local function apply_all(count)
  local span_at = 1
  while span_at <= #reports do
    local first = unpack_bytes('>I2', reports, span_at)
    if first >= count then
      effect_count, other_effects[effect_count + 1] = effect_count + 1, UNKNOWN
      span_at = span_at + ITEM_BYTES
    else
      local last_at, last = end_of_span(reports, ITEM_BYTES, span_at, 0)
      while last >= count do
        last_at = last_at - ITEM_BYTES
        last = unpack_bytes('>I2', reports, last_at)
      end
      apply_span(span_at, last_at, first, last, count)
      span_at = last_at + ITEM_BYTES
    end
  end
end

-- Count the attempts that these reports prove for the statistics.
local function count_proved(count)
  for _, push in ipairs(proved) do
    statistics.prove(push.index, push.attempt, sent_of_message(messages_key, count, push.index))
  end
end

-- Return the effect of each report, one byte each.
local function all_effects()
  if next(other_effects) == nil then return string.rep(APPLIED, effect_count) end
  local effects = {}
  for position = 1, effect_count do effects[position] = other_effects[position] or APPLIED end
  return table.concat(effects)
end

-- Return for the automatic brake a flag for each report that settled a message: 1 if the report says failed, else 0.
local function failed_flags()
  local pieces, before = {}, 0
  for number, position in ipairs(failed_positions) do
    pieces[number], before = string.rep('0', position - before - 1) .. '1', position
  end
  return table.concat(pieces) .. string.rep('0', settled_count - before)
end

-- Return how many messages the batch has; 0 if the ledger has no such batch. A batch without records gets its records.
local function find_batch()
  campaign = read_for_statistics(campaign_key)
  if not campaign.created_ms then return 0 end
  local count = batch_count(campaign_key, batch_number)
  if count <= 0 then return 0 end
  if not check_records(messages_key, count) then
    local state = state_without_records(campaign_key, batch_number)
    redis.call('SET', messages_key, string.rep(state, count) .. string.rep(EMPTY_RECORD, count))
  end
  return count
end

run_without_memory()
local count = find_batch()
if count == 0 then return reply({effects = string.rep(UNKNOWN, #reports / ITEM_BYTES)}) end
statistics = message_statistics(campaign_key, batch_number, campaign)
rule = retry_rule(campaign_key, campaign.retry_codes)
if rule then forbid_after_reactions(campaign_key, args.reactions, count, statistics) end
apply_all(count)
counts.add('stat:reports', settled_count)
count_reactions(campaign_key, messages_key, args.reactions, count, counts, statistics)
count_proved(count)
if #accepted > 0 then counts.add('parts', parts_of(campaign_key, batch_number, accepted)) end
if #handed_over > 0 then count_parts_out(campaign_key, batch_number, handed_over) end
counts.write(campaign_key)
codes.write(key_of_codes(campaign_key))
local now = now_us()
statistics.write(math.floor(now / 1000))
if first_sent_ms then
  local due_ms = campaign.created_ms + first_sent_ms + redis.call('HGET', campaign_key, 'report_wait_ms')
  redis.call('ZADD', key_of_sender('settle_due'), 'LT', due_ms, batch_member(id, batch_number))
end
if second_try_ms then
  redis.call('ZADD', key_of_sender('settle_due'), 'LT', second_try_ms, batch_member(id, batch_number))
end
if too_many_bad(campaign_key, 'report', failed_flags()) then
  brake_campaign(id, campaign_key, 'too_many_failed')
end
mark_changed(id)
finish_if_done(id, campaign_key, now)
return reply({effects = all_effects()})
