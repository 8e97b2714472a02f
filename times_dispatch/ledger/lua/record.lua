-- uses: names keys memory clock states records spans counters rotation campaigns brakes providers budget statistics
-- uses: retries
--
-- Write the results of pushes of a batch, and their consequences: a back-off from the provider, or a brake. Fenced by
-- the token. Safe to repeat: a result counts only for the block that opened its message. If the ledger lost its newest
-- writes (a power cut, a failover), messages that the worker pushed are pending, and the number of their block is
-- higher than the lease's last block. The result of such a block counts for a pending message, because no other worker
-- holds the token. Such a result also counts for a failed message that waits for a second try: the ledger lost the
-- beginning of this second try.
--
-- Arguments
--   campaign, batch_number  the batch
--   token                   the fencing token of the worker's lease
--   results                 for each message: index u16, block u16, result (one byte, a PushResult), code u16,
--                           transaction 8 bytes, parts u8; cheapest if sorted by index
--   back_off                whether the sender backs off from the provider: a BackOffPolicy
--   back_off_min_ms         for how long the provider asked for no messages, in milliseconds; 0 if it did not ask
--   jitter                  0.5 to 1; a random factor of the back-off, so that senders do not all end it at once
--   brake                   what is braked: a BrakeTarget
--   reason                  why the sender backs off or is braked, for people
--   part_disagreements      for how many of these messages the provider counted another number of parts than the ledger
--   provider                the nickname of the provider through which all these messages were pushed
-- Reply: status is recorded, with changed: how many messages changed their state; or lost: the lease went to another
--   worker.
-- Keys: campaign, lease, messages, parts and codes of the batch, recent_push, statistics and attempts of the campaign;
--   the sender's hash, batches_out, rotation, changed, statistics and minutes.
-- Atomic: the states of the messages, the counters and the consequences. Back-off and the sender's brake hold for this
--   provider only.
-- Cost: O(results).
--
-- Execution starts at run_without_memory(), below the functions.

-- One item of the results: index, block, result, code, transaction, parts. The block and the code stay bytes, because
-- most results only copy these bytes. The results are packed, and the functions below take the values of an item and
-- not a table: a table for each message would be slower.
local ITEM = '>I2c2c1c2c8I1'
local ITEM_BYTES = 16
-- The results that are not states: both make the message pending again.
local NOT_SENT = 'p'
local NEVER_BEGUN = 'b'
-- The results that say that the provider did not take the message.
local UNSENT_RESULTS = {[NOT_SENT] = true, [NEVER_BEGUN] = true, [REJECTED] = true, [SUPPRESSED] = true}
-- A sender backs off for one second at first, for twice as long after each further failure, and for at most a minute.
local FIRST_BACK_OFF_MS = 1000
local MAX_BACK_OFF_MS = 60000
-- After this many back-offs in a row, the last two of them for unreadable responses, the sender is braked at the
-- provider, because waiting does not make responses readable. A provider with one unreadable response in five is rarely
-- braked, because a readable response ends the series of back-offs.
local MAX_UNREADABLE_BACK_OFFS = 7
-- A worker that asks whether other workers got responses needs no finer time than this.
local ANSWERED_EVERY_US = 1000000
-- A send time may be a little after the opening of the block, and the parts were counted for the day of the opening.
local SEND_TIME_TOLERANCE_MS = 100

local args = arguments({'campaign', 'batch_number', 'token', 'results', 'back_off', 'back_off_min_ms', 'jitter',
  'brake', 'reason', 'part_disagreements', 'provider'})
local id, batch_number, results = args.campaign, args.batch_number, args.results
local campaign_key, sender_key = key_of_campaign(id), key_of_sender('sender')
local lease_key = key_of_batch(campaign_key, LEASE, batch_number)
local messages_key = key_of_batch(campaign_key, MESSAGES, batch_number)
local now = now_us()
-- The number of the last block under the token, the campaign's fields for the statistics, and the object that collects
-- the changes of the statistics.
local last_block, campaign, statistics
-- The field `sent` of a record that is sent now, through the provider of these results.
local sent_now
-- The block of the last item, and the first bytes of the record of a message that is sent for the first time in this
-- block; false if the messages of this block have to be compared one by one.
local item_block, plain_head
local sub, unpack_bytes, pack_bytes = string.sub, struct.unpack, struct.pack
local counts, codes = counter_deltas(), counter_deltas()
-- How many messages changed their state, how many messages the provider accepted and with how many parts, how many
-- messages are suppressed, and the lowest index of the messages that are pending again.
local changed, accepted_count, accepted_parts, suppressed, first_pending_again = 0, 0, 0, 0, nil
-- The messages whose parts are returned, the messages of blocks that the ledger lost, and for the automatic brake a
-- flag for each push: 1 if it was rejected, 0 if it was accepted.
local unsent, regained, rejected_flags = {}, {}, {}

-- Count the code of a message that was not accepted, by its new state and the code of its record. A counter of codes is
-- named after the origin of the code: `push:`, `suppressed:`, `report:`, or `retry:` for a push that failed and left
-- its message in the earlier state (pending, or failed by a report).
local function count_code(result, code, new_state, kept_code)
  if new_state == FAILED then
    codes.add('report:' .. kept_code, 1)
    codes.add('retry:' .. code, 1)
  elseif result == NOT_SENT then
    codes.add('retry:' .. code, 1)
  elseif result ~= NEVER_BEGUN then
    codes.add(code_origin(code) .. code, 1)
  end
end

-- Count a message that was sending and was not accepted.
local function count_failure(result, index, sent)
  if result ~= IN_DOUBT then unsent[#unsent + 1] = {index = index, sent_ms = sent % PROVIDER_UNIT} end
  if result == NOT_SENT or result == NEVER_BEGUN then
    first_pending_again = math.min(first_pending_again or index, index)
  end
  if result == SUPPRESSED then suppressed = suppressed + 1 end
  if result == REJECTED then rejected_flags[#rejected_flags + 1] = '1' end
end

-- Return the state that a result gives to a message that was sending, the attempt that the message's record is about,
-- and the code of the record. If a later attempt was not sent, the earlier attempt counts. If the earlier attempt is
-- still in doubt, the message is given up. If a report says that the earlier attempt failed (then reported_s is not 0,
-- see lib/retries.lua), the message is failed again.
local function state_after(result, attempt, code, old_code, reported_s)
  local has_failed = reported_s > 0
  local kept_code = has_failed and result ~= IN_DOUBT and old_code or code
  if result == NEVER_BEGUN then return PENDING, attempt, kept_code end
  if attempt > 0 and (result == REJECTED or result == SUPPRESSED) then
    return has_failed and FAILED or GIVEN_UP, attempt - 1, kept_code
  end
  return result, attempt, kept_code
end

-- Return the field `sent` for messages that count as sent now, through the provider of these results.
local function sent_through_provider()
  local chain_index, index = 0, 0
  for provider in string.gmatch(campaign.chain, '%S+') do
    if provider == args.provider then chain_index = index end
    index = index + 1
  end
  return chain_index * PROVIDER_UNIT + time_since_created(campaign.created_ms, math.floor(now / 1000))
end

-- Apply the result of a block that the ledger lost, as the header says. Return the message's new state and record;
-- nothing if neither changes.
local function regain(index, state, record, block, result, code, transaction, parts)
  if result == NOT_SENT or result == NEVER_BEGUN then return nil end
  local attempt, _, old_code, sent, reported_s = unpack_bytes(RECORD, record)
  if state == FAILED and campaign.retry_codes
    and waits_for_second_try(campaign_key, statistics.index_in_campaign(index)) then
    local fields = {attempt = attempt, code = old_code, sent = sent, reported_s = reported_s}
    count_second_try(campaign_key, counts, codes, statistics, index, fields)
    state, attempt, reported_s = PENDING, attempt + 1, math.max(reported_s, 1)
  end
  if state ~= PENDING then return nil end
  sent_now = sent_now or sent_through_provider()
  local new_state, new_attempt, new_code = state_after(result, attempt, code, old_code, reported_s)
  statistics.change(index, PENDING, 0, 0, 0, new_state, new_code, sent_now, reported_s)
  if result == ACCEPTED then statistics.prove(index, attempt, sent_now) end
  counts.move(PENDING, new_state)
  changed = changed + 1
  if result == ACCEPTED then accepted_parts, accepted_count = accepted_parts + parts, accepted_count + 1 end
  if result == ACCEPTED or result == IN_DOUBT then regained[#regained + 1] = index end
  if result ~= ACCEPTED then count_code(result, code, new_state, new_code) end
  return new_state, pack_bytes(RECORD, new_attempt, block, new_code, sent_now, reported_s, transaction)
end

-- Apply any result to a message. Return the message's new state and record; nothing if neither changes.
local function apply_result(index, state, record, block, result, code, transaction, parts)
  local attempt, opened_by, old_code, sent, reported_s, old_transaction = unpack_bytes(RECORD, record)
  if is_later_block(block, last_block) then
    return regain(index, state, record, block, result, code, transaction, parts)
  end
  if opened_by ~= block then return nil end
  if state == SENDING then
    local new_state, new_attempt, new_code = state_after(result, attempt, code, old_code, reported_s)
    -- A message that was not sent forgets its block: if a later report proves an earlier attempt, a repeated call must
    -- not return the parts of this attempt again.
    local kept_block = UNSENT_RESULTS[result] and 0 or block
    statistics.change(index, SENDING, 0, 0, 0, new_state, new_code, sent, reported_s)
    counts.move(SENDING, new_state)
    changed = changed + 1
    if result == ACCEPTED then
      accepted_parts, accepted_count = accepted_parts + parts, accepted_count + 1
      rejected_flags[#rejected_flags + 1] = '0'
      statistics.prove(index, attempt, sent)
    else
      count_code(result, code, new_state, new_code)
      count_failure(result, index, sent)
    end
    return new_state, pack_bytes(RECORD, new_attempt, kept_block, new_code, sent, reported_s, transaction)
  elseif result == ACCEPTED and old_transaction == NO_TRANSACTION and transaction ~= NO_TRANSACTION
    and (state == ACCEPTED or state == DELIVERED or state == FAILED) then
    -- A report or a click was applied before this result and counted the parts, so only the transaction id is new.
    statistics.prove(index, attempt, sent)
    accepted_count = accepted_count + 1
    return state, pack_bytes(RECORD, attempt, block, old_code, sent, reported_s, transaction)
  elseif attempt > 0 and UNSENT_RESULTS[result] and old_transaction == NO_TRANSACTION
    and (state == ACCEPTED or state == DELIVERED or state == FAILED) then
    -- A report proved the earlier attempt while this attempt was under way, and this attempt was not sent. With block
    -- number 0 in the record, no other result of this block counts.
    if state == DELIVERED then
      statistics.recover(index, attempt, sent, -1)
      statistics.recover(index, attempt - 1, sent, 1)
    end
    -- The parts of an attempt with a failed report were counted before.
    local is_second_try = statistics.tries_of(index, attempt) > statistics.tries_of(index, attempt - 1)
    if is_second_try then counts.add('parts', -parts) end
    unsent[#unsent + 1] = {index = index, sent_ms = sent % PROVIDER_UNIT}
    if state == ACCEPTED and reported_s > 0 and old_code > 0 then
      -- A click or a reply was applied, and the earlier attempt failed: the message is failed again.
      statistics.change(index, ACCEPTED, 0, sent, 0, FAILED, old_code, sent, reported_s)
      counts.move(ACCEPTED, FAILED)
      codes.add('report:' .. old_code, 1)
      state, changed = FAILED, changed + 1
    end
    return state, pack_bytes(RECORD, attempt - 1, 0, old_code, sent, reported_s, NO_TRANSACTION)
  end
  return nil
end

local function begin_block(block)
  item_block, plain_head = block, false
  if not campaign.resent and not is_later_block(unpack_bytes('>I2', block), last_block) then
    plain_head = '\0' .. block
  end
end

-- Count messages that were sent at the same time, and become accepted. `sent_bytes` begins with the field `sent`.
local function count_accepted(sent_bytes, messages, parts)
  if messages > 0 then statistics.accept(unpack_bytes('>I5', sent_bytes), messages, parts) end
end

-- Apply the results that are packed from `span_at` to `last_at`; they are about messages from `first` to `last`, with
-- one result for a message. Nearly all messages are sending and become accepted: the record of such a message gets its
-- new bytes without being unpacked. The states and the records are joined from the pieces of changed messages and of
-- the unchanged messages between them. The pieces have positions and no names, because table.concat joins a list.
local function apply_span(span_at, last_at, first, last, count)
  local states = redis.call('GETRANGE', messages_key, first, last)
  local start = record_range(count, first)
  local records = redis.call('GETRANGE', messages_key, start, start + (last - first + 1) * WIDTH - 1)
  local part_counts, byte = statistics.part_counts(), string.byte
  local state_pieces, record_pieces, state_count, record_count = {}, {}, 0, 0
  -- Where the messages after the last changed message begin.
  local states_from = 1
  -- How many messages become accepted that were sent at the same time as the last accepted message, and their parts.
  local sent_bytes, together, parts_together, plain, flags = nil, 0, 0, 0, #rejected_flags
  for item_at = span_at, last_at, ITEM_BYTES do
    local index, block, result, code, transaction, parts = unpack_bytes(ITEM, results, item_at)
    local offset = index - first
    local record = offset * WIDTH + 1
    local state, new_state, new_record = sub(states, offset + 1, offset + 1), ACCEPTED, nil
    if block ~= item_block then begin_block(block) end
    local is_plain = result == ACCEPTED and state == SENDING and sub(records, record, record + 2) == plain_head
    if not is_plain then
      new_state, new_record = apply_result(index, state, sub(records, record, record + WIDTH - 1),
        unpack_bytes('>I2', block), result, unpack_bytes('>I2', code), transaction, parts)
      flags = #rejected_flags
    end
    if new_state then
      if states_from <= offset then
        state_pieces[state_count + 1] = sub(states, states_from, offset)
        record_pieces[record_count + 1] = sub(records, (states_from - 1) * WIDTH + 1, record - 1)
        state_count, record_count = state_count + 1, record_count + 1
      end
      states_from, state_count = offset + 2, state_count + 1
      state_pieces[state_count] = new_state
    end
    if is_plain then
      local times = sub(records, record + SENT_OFFSET, record + TRANSACTION_OFFSET - 1)
      if times ~= sent_bytes then
        count_accepted(sent_bytes, together, parts_together)
        sent_bytes, together, parts_together = times, 0, 0
      end
      together, parts_together = together + 1, parts_together + (part_counts and byte(part_counts, index + 1) or 1)
      plain, accepted_parts, flags = plain + 1, accepted_parts + parts, flags + 1
      rejected_flags[flags] = '0'
      record_pieces[record_count + 1], record_pieces[record_count + 2] = plain_head, code
      record_pieces[record_count + 3], record_pieces[record_count + 4] = times, transaction
      record_count = record_count + 4
    elseif new_state then
      record_count = record_count + 1
      record_pieces[record_count] = new_record
    end
  end
  if state_count == 0 then return end
  count_accepted(sent_bytes, together, parts_together)
  counts.add(SENDING, -plain)
  counts.add(ACCEPTED, plain)
  changed, accepted_count = changed + plain, accepted_count + plain
  state_pieces[state_count + 1] = sub(states, states_from)
  record_pieces[record_count + 1] = sub(records, (states_from - 1) * WIDTH + 1)
  redis.call('SETRANGE', messages_key, first, table.concat(state_pieces))
  redis.call('SETRANGE', messages_key, start, table.concat(record_pieces))
end

local function apply_results(count)
  local span_at = 1
  while span_at <= #results do
    local last_at, last = end_of_span(results, ITEM_BYTES, span_at, 1)
    apply_span(span_at, last_at, unpack_bytes('>I2', results, span_at), last, count)
    span_at = last_at + ITEM_BYTES
  end
end

-- Return the parts of messages that the provider did not take.
local function return_unsent_parts()
  local created_ms = tonumber(campaign.created_ms)
  local part_counts = statistics.part_counts()
  local parts, parts_of_today, today = 0, 0, day_of(now / 1000)
  for _, message in ipairs(unsent) do
    local part_count = part_counts and string.byte(part_counts, message.index + 1) or 1
    parts = parts + part_count
    -- Around midnight, the day may get too few parts back, but never too many.
    if day_of(created_ms + message.sent_ms - SEND_TIME_TOLERANCE_MS) == today then
      parts_of_today = parts_of_today + part_count
    end
  end
  return_parts(campaign_key, parts, parts_of_today)
end

-- Brake the sender at the provider, unless it is braked.
local function brake_sender(reason)
  local brake = provider_field('brake', args.provider)
  if (redis.call('HGET', sender_key, brake) or '') == '' then
    redis.call('HSET', sender_key, brake, reason, 'stopped_us', string.format('%.0f', now))
  end
end

-- Note that the provider answered; the note is written at most once a second.
local function note_answer(answered_field, answered_us)
  answered_us = tonumber(answered_us or '0')
  if now - answered_us > ANSWERED_EVERY_US or answered_us > now then
    redis.call('HSET', sender_key, answered_field, string.format('%.0f', now))
  end
end

-- Begin, extend or end the sender's back-off from the provider.
local function update_back_off()
  local back_off_until_us = provider_field('back_off_until_us', args.provider)
  local back_off_count = provider_field('back_off_count', args.provider)
  local back_off_reason = provider_field('back_off_reason', args.provider)
  local answered_us = provider_field('answered_us', args.provider)
  local sender = read_fields(sender_key, back_off_until_us, back_off_count, back_off_reason, answered_us)
  local is_answered = accepted_count > 0 or #rejected_flags > 0
  if is_answered then note_answer(answered_us, sender[answered_us]) end
  local until_us = end_of_wait(sender[back_off_until_us], MAX_BACK_OFF_US, now)
  local back_offs = tonumber(sender[back_off_count] or '0')
  local min_ms = tonumber(args.back_off_min_ms)
  if until_us > now then
    -- Results that arrive during a back-off belong to pushes that were under way before it: such results neither end
    -- the back-off nor double it. But a time for which the provider asks for no messages counts in every response.
    local asked_us = now + min_ms * 1000
    if args.back_off == 'always' and asked_us > until_us then
      redis.call('HSET', sender_key, back_off_until_us, string.format('%.0f', asked_us))
    end
    return
  end
  local is_unreadable = args.back_off == 'if_none_readable'
  local is_failure = is_unreadable or args.back_off == 'if_none_accepted'
    or (args.back_off == 'if_none_answered' and not is_lately(sender[answered_us], now))
  if args.back_off == 'always' or (is_failure and accepted_count == 0) then
    local ms = math.max(min_ms, FIRST_BACK_OFF_MS * 2 ^ math.min(back_offs, 16) * tonumber(args.jitter))
    ms = math.min(ms, math.max(MAX_BACK_OFF_MS, min_ms))
    redis.call('HSET', sender_key, back_off_until_us, string.format('%.0f', now + ms * 1000), back_off_count,
      back_offs + 1, back_off_reason, args.reason)
    if back_offs == 0 then
      redis.call('HSET', sender_key, provider_field('back_off_since_us', args.provider), string.format('%.0f', now))
    end
    if is_unreadable and back_offs + 1 >= MAX_UNREADABLE_BACK_OFFS and sender[back_off_reason] == args.reason then
      brake_sender(args.reason)
    end
  elseif is_answered and back_offs > 0 then
    -- A rejected message shows that the provider can be reached, just as an accepted message does.
    redis.call('HSET', sender_key, back_off_count, 0, back_off_reason, '')
  end
  -- A suppressed message was not pushed, and so was no probe: the next message may be pushed at once as a probe.
  if suppressed > 0 then redis.call('HDEL', sender_key, provider_field('probe_us', args.provider)) end
end

run_without_memory()
local lease = read_fields(lease_key, 'token', 'count', 'first_pending', 'last_block')
if lease.token ~= args.token then return reply({status = 'lost'}) end
last_block = tonumber(lease.last_block)
campaign = read_for_statistics(campaign_key)
statistics = message_statistics(campaign_key, tonumber(batch_number), campaign)
check_records(messages_key, tonumber(lease.count))
apply_results(tonumber(lease.count))
-- A repeated call, or results whose reports were all applied before, have no consequence for campaign and sender.
if changed == 0 and accepted_count == 0 and #unsent == 0 then return reply({status = 'recorded', changed = 0}) end

counts.add('parts', accepted_parts)
counts.add('stat:part_disagreements', tonumber(args.part_disagreements))
counts.write(campaign_key)
codes.write(key_of_codes(campaign_key))
statistics.write(math.floor(now / 1000))
if first_pending_again and first_pending_again < tonumber(lease.first_pending) then
  redis.call('HSET', lease_key, 'first_pending', first_pending_again)
  mark_out(campaign_key, batch_member(id, batch_number))
end
if #unsent > 0 then return_unsent_parts() end
if #regained > 0 then count_parts_out(campaign_key, batch_number, regained) end

if too_many_bad(campaign_key, 'push', table.concat(rejected_flags)) then
  brake_campaign(id, campaign_key, 'too_many_rejected')
end
update_back_off()
if args.brake == 'campaign' then
  brake_campaign(id, campaign_key, args.reason)
elseif args.brake == 'sender' then
  brake_sender(args.reason)
end
mark_changed(id)
return reply({status = 'recorded', changed = changed})
