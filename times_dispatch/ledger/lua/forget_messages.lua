-- uses: names keys memory clock states records counters campaigns statistics retries
--
-- Replace the recipients of a batch by recipients without the data of some messages, and change the states of these
-- messages so that they are never sent. Safe to repeat.
--
-- Arguments
--   campaign, batch_number  the batch
--   digest        the SHA-1 of the packed recipients that the caller has read, in hexadecimal
--   recipients    the packed recipients without the data of the messages, see ledger/records.py
--   fingerprints  the fingerprints of the batch's numbers, see ledger/numbers/fingerprints.py
--   code          the reason for which pending messages are suppressed: a Suppression
--   indexes       the indexes of the messages in the batch, u16 each, ascending
--   blanked       the indexes of messages to other numbers whose values are deleted, in the same form
-- Reply: is_changed, 1 if the recipients changed since the caller read them, and the script did nothing; and sending,
--   how many of the messages are sending: if there are any, the recipients stay, and the caller has to call again.
-- Keys: campaign; recipients, fingerprints, messages, parts and codes of the batch; statistics, attempts, retries and
--   reacted of the campaign; the sender's rotations, changed, live, ended, statistics and minutes.
-- Atomic: the recipients, the states and the counters.
-- Cost: O(messages of the batch).
-- A pending message is suppressed. A message in doubt is given up, and so is a pending message whose earlier attempt
-- was in doubt. A failed message stays failed, a message that is pending for its second try becomes failed again, and
-- neither gets a second try later. A message to another number whose values are deleted gets no second try either.

-- The code of a message that was to be sent again, and was not sent again; Failure.NOT_SENT_AGAIN in
-- provider/failures.py.
local NOT_SENT_AGAIN = 16

local args = arguments({'campaign', 'batch_number', 'digest', 'recipients', 'fingerprints', 'code', 'indexes',
  'blanked'})
local id, campaign_key, batch_number = args.campaign, key_of_campaign(args.campaign), tonumber(args.batch_number)
local recipients_key = key_of_batch(campaign_key, RECIPIENTS, batch_number)
local messages_key = key_of_batch(campaign_key, MESSAGES, batch_number)
local counts, codes, code = counter_deltas(), counter_deltas(), tonumber(args.code)
local sending = 0

-- Write the new state of a message whose record begins at `first`.
local function change(statistics, index, first, state, new_state, fields)
  redis.call('SETRANGE', messages_key, index, new_state)
  redis.call('SETRANGE', messages_key, first, string.char(fields.attempt))
  redis.call('SETRANGE', messages_key, first + CODE_OFFSET, struct.pack('>I2', fields.code))
  counts.move(state, new_state)
  statistics.change(index, state, fields.old_code, fields.sent, 0, new_state, fields.code, fields.sent, 0)
end

-- End a message that may not be sent any more.
local function end_message(statistics, count, index)
  local state = redis.call('GETRANGE', messages_key, index, index)
  local first, last = record_range(count, index)
  local attempt, _, old_code, sent, reported_s = struct.unpack(RECORD,
    redis.call('GETRANGE', messages_key, first, last))
  if state == SENDING then
    sending = sending + 1
  elseif state == PENDING and attempt == 0 then
    codes.add('suppressed:' .. code, 1)
    change(statistics, index, first, state, SUPPRESSED, {attempt = 0, old_code = 0, code = code, sent = sent})
  elseif state == PENDING and reported_s > 0 then
    redis.call('SETRANGE', messages_key, index, FAILED)
    redis.call('SETRANGE', messages_key, first, string.char(attempt - 1))
    counts.move(PENDING, FAILED)
    codes.add('report:' .. old_code, 1)
    statistics.change(index, PENDING, 0, 0, 0, FAILED, old_code, sent, reported_s)
  elseif state == PENDING then
    -- The record is about the earlier attempt, which may have been sent.
    local fields = {attempt = attempt - 1, old_code = 0, code = NOT_SENT_AGAIN, sent = sent}
    codes.add('push:' .. NOT_SENT_AGAIN, 1)
    change(statistics, index, first, state, GIVEN_UP, fields)
  elseif state == IN_DOUBT then
    local fields = {attempt = attempt, old_code = old_code, code = old_code, sent = sent}
    change(statistics, index, first, state, GIVEN_UP, fields)
  end
end

-- Exclude messages from second tries; `indexes` is packed.
local function forbid_tries(indexes, batch_size)
  for index_at = 1, #indexes, 2 do
    forbid_second_tries(campaign_key, batch_number * batch_size + struct.unpack('>I2', indexes, index_at))
  end
end

fail_if_memory_is_full()
local packed = redis.call('GET', recipients_key)
if not packed or redis.sha1hex(packed) ~= args.digest then return reply({is_changed = 1, sending = 0}) end
local count = batch_count(campaign_key, batch_number)
check_records(messages_key, count)
local campaign = read_for_statistics(campaign_key)
if campaign.retry_codes then
  local batch_size = tonumber(redis.call('HGET', campaign_key, 'batch_size'))
  forbid_tries(args.indexes, batch_size)
  forbid_tries(args.blanked, batch_size)
end
if #args.indexes > 0 then
  if redis.call('EXISTS', messages_key) == 0 then
    local state = state_without_records(campaign_key, batch_number)
    redis.call('SET', messages_key, string.rep(state, count) .. string.rep(EMPTY_RECORD, count))
  end
  local statistics = message_statistics(campaign_key, batch_number, campaign)
  for index_at = 1, #args.indexes, 2 do
    end_message(statistics, count, struct.unpack('>I2', args.indexes, index_at))
  end
  local now = now_us()
  counts.write(campaign_key)
  codes.write(key_of_codes(campaign_key))
  statistics.write(math.floor(now / 1000))
end
mark_changed(id)
-- The campaign may be done also if only values were deleted, because the last message that waited for a second try may
-- be one of these messages.
finish_if_done(id, campaign_key, now_us())
-- The data of a message that is sending stays, so that the next call finds the message.
if sending == 0 then
  redis.call('SET', recipients_key, args.recipients)
  redis.call('SET', key_of_batch(campaign_key, FINGERPRINTS, batch_number), args.fingerprints)
end
return reply({is_changed = 0, sending = sending})
