-- uses: names keys memory clock states records spans counters campaigns brakes budget
--
-- Apply delivery reports to the messages of a batch. Safe to repeat, in any order: delivered beats everything; the
-- first failure stays; a report may come before the message is accepted, or while it is pending again: then it was sent
-- after all, and must not go out a second time. The other kinds (a click, a reply, an event on the way) prove only that
-- the push arrived: where that was not known, the message is accepted, and waits for its report.
-- A report proves a push whatever the ledger knows: nobody else can make its id. If the ledger lost the push (a power
-- cut, a failover), the record is made or corrected from the report, and the message is not sent again.
--
-- Arguments
--   campaign, number  the batch
--   reports           for each report: index in the batch u16, attempt u8, kind (one byte, a ReportLetter), code u16,
--                     time u32 (epoch, seconds); cheapest if sorted by index
--   reactions         a list of clicks and replies: kind (clicked or replied), and digest, eight bytes that tell one
--                     from others
-- Reply: answers, one byte for each report: an Applied.
-- Keys: campaign, messages, parts and codes of the batch; recent_report, clicked and replied of the campaign; the
-- sender's due and changed.
-- Atomic: the states, the counters and the brake.
-- Cost: O(reports).
local ITEM = '>I2I1c1I2'
local ITEM_BYTES = 10
-- Where code and time begin in a report, counted from its first byte.
local REPORTED_CODE_OFFSET = 4
local REPORTED_TIME_OFFSET = 6
local NO_CODE = '\0\0'
-- The field of a record that says when the message was sent, as long as that never happened.
local NEVER_SENT = '\0\0\0\0\0'
-- The kinds of reports.
local IS_DELIVERED = 'd'
local IS_FAILED = 'f'
local HAS_ARRIVED = 'o'
-- The answers.
local APPLIED = 'A'
local DUPLICATE = 'D'
local STALE = 'S'
local UNKNOWN = 'U'
-- The states in which a provider is not known to have accepted the message.
local NOT_ACCEPTED = {
  [PENDING] = true, [SENDING] = true, [IN_DOUBT] = true, [GIVEN_UP] = true, [REJECTED] = true, [SUPPRESSED] = true,
  [EXPIRED] = true, [CANCELLED] = true,
}
-- The states in which its SMS parts do not count as handed to a provider. A message that is pending because it is sent
-- again is none of these: its first attempt was handed over.
local NOT_HANDED_OVER = {[REJECTED] = true, [SUPPRESSED] = true, [EXPIRED] = true, [CANCELLED] = true}
-- The states in which no push of the recorded attempt is on its way.
local NOT_ON_ITS_WAY = {[PENDING] = true, [IN_DOUBT] = true, [GIVEN_UP] = true}

local args = arguments({'campaign', 'number', 'reports'}, {reactions = {'kind', 'digest'}})
local id, number, reports = args.campaign, tonumber(args.number), args.reports
local campaign_key = key_of_campaign(id)
local messages_key = key_of_batch(campaign_key, MESSAGES, number)
local sub, byte, pack_bytes, unpack_bytes = string.sub, string.byte, struct.pack, struct.unpack
local counts, codes, answers, marks = counter_deltas(), counter_deltas(), {}, {}
-- When the first of the messages was sent that are accepted now.
local first_sent_ms = nil
-- Indexes of messages that turned out to be accepted, and of those that turned out to be handed to a provider.
local accepted, handed_over = {}, {}
-- Read when the first record is found to lack the time: see time_since_creation().
local since_created_ms = nil

-- Return the time from the campaign's creation until now.
local function time_since_creation()
  if not since_created_ms then
    local created_ms = redis.call('HGET', campaign_key, 'created_ms')
    since_created_ms = time_since_created(created_ms, math.floor(now_us() / 1000))
  end
  return since_created_ms
end

-- Return the state that a report gives to a message, if it changes the state; else nil and the answer.
local function new_state(state, recorded_attempt, attempt, kind)
  -- A rejection is the provider's word; only the report of a later attempt proves another push.
  local can_change = NOT_ACCEPTED[state] and (state ~= REJECTED or attempt > recorded_attempt)
  if kind == IS_DELIVERED and state ~= DELIVERED then return DELIVERED end
  if kind == IS_FAILED and attempt < recorded_attempt then return nil, STALE end
  if kind == IS_FAILED and (can_change or state == ACCEPTED or state == NO_REPORT) then return FAILED end
  if kind == HAS_ARRIVED and can_change then return ACCEPTED end
  if kind ~= HAS_ARRIVED then counts.add('stat:duplicate_reports', 1) end
  return nil, DUPLICATE
end

-- Return which attempt the record of a message is about after a report changed its state: the one that was pushed, as
-- far as is known. A failure of that attempt counts.
local function attempt_after(state, recorded_attempt, attempt, kind)
  if attempt > recorded_attempt then return attempt end
  if kind == HAS_ARRIVED and NOT_ON_ITS_WAY[state] then return attempt end
  return recorded_attempt
end

local function count_change(index, state, recorded_attempt, old_code, to, code)
  if state == FAILED then codes.add('report:' .. old_code, -1) end
  if state == IN_DOUBT or state == GIVEN_UP or state == REJECTED or state == SUPPRESSED then
    codes.add(code_origin(old_code) .. old_code, -1)
  end
  if NOT_ACCEPTED[state] then accepted[#accepted + 1] = index end
  if NOT_HANDED_OVER[state] or (state == PENDING and recorded_attempt == 0) then
    handed_over[#handed_over + 1] = index
  end
  if to == FAILED then codes.add('report:' .. code, 1) end
  counts.move(state, to)
  if state == PENDING then counts.add('stat:reported_while_pending', 1) end
  if to ~= ACCEPTED then marks[#marks + 1] = to == FAILED and '1' or '0' end
end

-- Apply the reports from byte `at` to the one at `last_at`; they are about messages from `first` to `last`, in order.
-- Little of a record changes: states and records are put together again from that and from the pieces between, so that
-- a report costs a few short strings. `n` messages have changed; a changed message has one new piece of the states and
-- four of the records: what is before its code, its code, the time when it was sent, and the time of its report.
local function apply_span(at, last_at, first, last, count)
  local states = redis.call('GETRANGE', messages_key, first, last)
  local start = record_range(count, first)
  local records = redis.call('GETRANGE', messages_key, start, start + (last - first + 1) * WIDTH - 1)
  local new_states, new_records, n = {}, {}, 0
  local states_from, records_from = 1, 1
  local changed, changed_to, changed_code, changed_attempt = nil, nil, nil, nil
  for item_at = at, last_at, ITEM_BYTES do
    local index, attempt, kind, code = unpack_bytes(ITEM, reports, item_at)
    local offset = index - first
    local record = offset * WIDTH + 1
    local state = index == changed and changed_to or sub(states, offset + 1, offset + 1)
    local recorded_attempt = index == changed and changed_attempt or byte(records, record)
    local to, answer = new_state(state, recorded_attempt, attempt, kind)
    if to then
      local old_code = index == changed and changed_code or unpack_bytes('>I2', records, record + CODE_OFFSET)
      count_change(index, state, recorded_attempt, old_code, to, code)
      if index ~= changed then
        new_states[2 * n + 1] = sub(states, states_from, offset)
        new_records[4 * n + 1] = sub(records, records_from, record + CODE_OFFSET - 1)
        states_from, records_from, n = offset + 2, record + TRANSACTION_OFFSET, n + 1
      end
      changed, changed_to, changed_code = index, to, to == FAILED and code or 0
      changed_attempt = attempt_after(state, recorded_attempt, attempt, kind)
      if changed_attempt ~= recorded_attempt then
        local before = new_records[4 * n - 3]
        local at_attempt = #before - CODE_OFFSET
        before = sub(before, 1, at_attempt) .. string.char(changed_attempt) .. sub(before, at_attempt + 2)
        new_records[4 * n - 3] = before
      end
      new_states[2 * n] = to
      local code_at = item_at + REPORTED_CODE_OFFSET
      new_records[4 * n - 2] = to == FAILED and sub(reports, code_at, code_at + 1) or NO_CODE
      local sent = sub(records, record + SENT_OFFSET, record + REPORTED_OFFSET - 1)
      if sent == NEVER_SENT then sent = pack_bytes('>I5', time_since_creation()) end
      new_records[4 * n - 1] = sent
      if to == ACCEPTED then
        new_records[4 * n] = sub(records, record + REPORTED_OFFSET, record + TRANSACTION_OFFSET - 1)
        local sent_ms = unpack_bytes('>I5', sent)
        first_sent_ms = math.min(first_sent_ms or sent_ms, sent_ms)
      else
        new_records[4 * n] = sub(reports, item_at + REPORTED_TIME_OFFSET, item_at + REPORTED_TIME_OFFSET + 3)
      end
    end
    answers[#answers + 1] = answer or APPLIED
  end
  if changed then
    redis.call('SETRANGE', messages_key, first, table.concat(new_states) .. sub(states, states_from))
    redis.call('SETRANGE', messages_key, start, table.concat(new_records) .. sub(records, records_from))
  end
end

local function apply_all(count)
  local at = 1
  while at <= #reports do
    local first = unpack_bytes('>I2', reports, at)
    if first >= count then
      answers[#answers + 1] = UNKNOWN
      at = at + ITEM_BYTES
    else
      local last_at, last = end_of_span(reports, ITEM_BYTES, at)
      while last >= count do
        last_at = last_at - ITEM_BYTES
        last = unpack_bytes('>I2', reports, last_at)
      end
      apply_span(at, last_at, first, last, count)
      at = last_at + ITEM_BYTES
    end
  end
end

-- Count clicks and replies, each once, however often it is reported.
local function count_reactions()
  for _, reaction in ipairs(args.reactions) do
    local is_new = redis.call('SADD', key_of_reactions(campaign_key, reaction.kind), reaction.digest) == 1
    if is_new then counts.add('stat:' .. reaction.kind, 1) end
  end
end

-- Return how many messages the batch has; 0 if the ledger has no such batch. A batch that was never taken, as far as
-- the ledger knows, gets its records.
local function find_batch()
  if not redis.call('HGET', campaign_key, 'total') then return 0 end
  local count = batch_count(campaign_key, number)
  if count <= 0 then return 0 end
  check_records(messages_key, count)
  if redis.call('EXISTS', messages_key) == 0 then
    local state = state_without_records(campaign_key, number)
    redis.call('SET', messages_key, string.rep(state, count) .. string.rep(EMPTY_RECORD, count))
  end
  return count
end

run_without_memory()
local count = find_batch()
if count == 0 then return reply({answers = string.rep(UNKNOWN, #reports / ITEM_BYTES)}) end
apply_all(count)
counts.add('stat:reports', #marks)
count_reactions()
if #accepted > 0 then counts.add('parts', parts_of(campaign_key, number, accepted)) end
if #handed_over > 0 then count_parts_out(campaign_key, number, handed_over) end
counts.write(campaign_key)
codes.write(key_of_codes(campaign_key))
if first_sent_ms then
  local campaign = read_fields(campaign_key, 'created_ms', 'report_wait_ms')
  local due_ms = campaign.created_ms + first_sent_ms + campaign.report_wait_ms
  redis.call('ZADD', key_of_sender('due'), 'LT', due_ms, batch_member(id, number))
end
if too_many_bad(campaign_key, 'report', table.concat(marks)) then
  brake_campaign(id, campaign_key, 'too_many_failed')
end
mark_changed(id)
finish_if_done(id, campaign_key, now_us())
return reply({answers = table.concat(answers)})
