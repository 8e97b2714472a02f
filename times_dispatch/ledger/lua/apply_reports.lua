-- uses: names keys memory clock states records spans counters campaigns brakes
--
-- Apply delivery reports to the messages of a batch. Safe to repeat, in any order: delivered beats everything; the
-- first failure stays; a report may come before the message is accepted, or while it is pending again: then it was sent
-- after all, and must not go out a second time. The other kinds (a click, a reply, an event on the way) prove only that
-- the push arrived: where that was not known, the message is accepted, and waits for its report.
--
-- Arguments
--   campaign, number  the batch
--   reports           for each report: index in the batch u16, attempt u8, kind (one byte, a ReportLetter), code u16,
--                     time u32 (epoch, seconds); cheapest if sorted by index
--   reactions         a list of clicks and replies: kind (clicked or replied), and digest, eight bytes that tell one
--                     from others
-- Reply: answers, one byte for each report: an Applied.
-- Keys: campaign, messages and codes of the batch; recent_report, clicked and replied of the campaign; the sender's due
-- and changed.
-- Atomic: the states, the counters and the brake.
-- Cost: O(reports).
local ITEM = '>I2I1c1I2'
local ITEM_BYTES = 10
-- Where code and time begin in a report, counted from its first byte.
local REPORTED_CODE_OFFSET = 4
local REPORTED_TIME_OFFSET = 6
local NO_CODE = '\0\0'
-- The kinds of reports.
local IS_DELIVERED = 'd'
local IS_FAILED = 'f'
local HAS_ARRIVED = 'o'
-- The answers.
local APPLIED = 'A'
local DUPLICATE = 'D'
local STALE = 'S'
local UNKNOWN = 'U'
-- The states that a failure changes, and those that the proof of an arrival changes.
local CAN_FAIL = {
  [PENDING] = true, [SENDING] = true, [ACCEPTED] = true, [IN_DOUBT] = true, [NO_REPORT] = true, [GIVEN_UP] = true,
}
local CAN_ARRIVE = {[PENDING] = true, [SENDING] = true, [IN_DOUBT] = true, [GIVEN_UP] = true}

local args = arguments({'campaign', 'number', 'reports'}, {reactions = {'kind', 'digest'}})
local id, number, reports = args.campaign, tonumber(args.number), args.reports
local campaign_key = key_of_campaign(id)
local messages_key = key_of_batch(campaign_key, MESSAGES, number)
local sub, byte, unpack_bytes = string.sub, string.byte, struct.unpack
local counts, codes, answers, marks = counter_deltas(), counter_deltas(), {}, {}
-- When the first of the messages was sent that are accepted now.
local first_sent_ms = nil

-- Return the state that a report gives to a message, if it changes the state; else nil and the answer.
local function new_state(state, current_attempt, attempt, kind)
  if attempt > current_attempt then return nil, UNKNOWN end
  if kind == IS_DELIVERED and state ~= DELIVERED then return DELIVERED end
  if kind == IS_FAILED and attempt < current_attempt then return nil, STALE end
  if kind == IS_FAILED and CAN_FAIL[state] then return FAILED end
  if kind == HAS_ARRIVED and CAN_ARRIVE[state] then return ACCEPTED end
  if kind ~= HAS_ARRIVED then counts.add('stat:duplicate_reports', 1) end
  return nil, DUPLICATE
end

local function count_change(state, old_code, to, code)
  if state == FAILED then codes.add('report:' .. old_code, -1) end
  if state == IN_DOUBT or state == GIVEN_UP or state == REJECTED then codes.add('push:' .. old_code, -1) end
  -- Only a second attempt was suppressed: the first went out after all.
  if state == SUPPRESSED then codes.add('suppressed:' .. old_code, -1) end
  if to == FAILED then codes.add('report:' .. code, 1) end
  counts.move(state, to)
  if state == PENDING then counts.add('stat:reported_while_pending', 1) end
  if to ~= ACCEPTED then marks[#marks + 1] = to == FAILED and '1' or '0' end
end

-- Apply the reports from byte `at` to the one at `last_at`; they are about messages from `first` to `last`, in order.
-- Only code and time of a record change: states and records are put together again from these and from the pieces
-- between, so that a report costs a few short strings. `n` messages have changed; a changed message has one new piece
-- of the states and three of the records.
local function apply_span(at, last_at, first, last, count)
  local states = redis.call('GETRANGE', messages_key, first, last)
  local start = record_range(count, first)
  local records = redis.call('GETRANGE', messages_key, start, start + (last - first + 1) * WIDTH - 1)
  local new_states, new_records, n = {}, {}, 0
  local states_from, records_from = 1, 1
  local changed, changed_to, changed_code = nil, nil, nil
  for item_at = at, last_at, ITEM_BYTES do
    local index, attempt, kind, code = unpack_bytes(ITEM, reports, item_at)
    local offset = index - first
    local record = offset * WIDTH + 1
    local state = index == changed and changed_to or sub(states, offset + 1, offset + 1)
    local to, answer = new_state(state, byte(records, record), attempt, kind)
    if to then
      local old_code = index == changed and changed_code or unpack_bytes('>I2', records, record + CODE_OFFSET)
      count_change(state, old_code, to, code)
      if index ~= changed then
        new_states[2 * n + 1] = sub(states, states_from, offset)
        new_records[4 * n + 1] = sub(records, records_from, record + CODE_OFFSET - 1)
        states_from, records_from, n = offset + 2, record + TRANSACTION_OFFSET, n + 1
      end
      changed, changed_to, changed_code = index, to, to == FAILED and code or 0
      new_states[2 * n] = to
      local code_at = item_at + REPORTED_CODE_OFFSET
      new_records[4 * n - 2] = to == FAILED and sub(reports, code_at, code_at + 1) or NO_CODE
      new_records[4 * n - 1] = sub(records, record + SENT_OFFSET, record + REPORTED_OFFSET - 1)
      if to == ACCEPTED then
        new_records[4 * n] = sub(records, record + REPORTED_OFFSET, record + TRANSACTION_OFFSET - 1)
        local sent_ms = unpack_bytes('>I4', records, record + SENT_OFFSET)
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

run_without_memory()
if redis.call('EXISTS', messages_key) == 0 then return reply({answers = string.rep(UNKNOWN, #reports / ITEM_BYTES)}) end
apply_all(batch_count(campaign_key, number))
counts.add('stat:reports', #marks)
count_reactions()
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
