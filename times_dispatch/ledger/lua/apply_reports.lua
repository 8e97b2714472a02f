-- Apply delivery reports to messages of one batch. Idempotent; any order.
-- ARGV: id, number, reports (cheapest if sorted by index): for each index-in-batch u16, attempt u8, kind (d delivered, f failed, o other), code u16, ts u32
--       then for each click or reply its kind (clicked | replied) and eight bytes that tell it from others
-- Reply: one byte per report: A applied, D nothing changed, S an older attempt, U no such message. O(reports).
-- Delivered beats everything; among failures the first stays; a report may come before `accepted`, or for a message that is
-- pending again: then it was sent after all, and must not go out a second time. The other kinds (clicked, replied, on its way) prove
-- only that the push arrived: where that was not known the message is accepted, and waits for its report.
local id, number, reports = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local campaign = campaign_key(id)
local messages = campaign .. ':m:' .. number
if redis.call('EXISTS', messages) == 0 then return string.rep('U', #reports / 10) end
local count = batch_count(campaign, number)
local sub, byte, unpack = string.sub, string.byte, struct.unpack
local NO_CODE = '\0\0'
local FAILS = {p = true, s = true, a = true, i = true, n = true, g = true}
local ARRIVES = {p = true, s = true, i = true, g = true}
local counts, codes, answers = tally(), tally(), {}
local marks = {}
local first_let_go = nil

-- What a report makes of a message in this state, if it changes it; else how the report is answered.
local function judge(state, current, attempt, kind)
  if attempt > current then return nil, 'U' end
  if kind == 'd' and state ~= 'd' then return 'd' end
  if kind == 'f' and attempt < current then return nil, 'S' end
  if kind == 'f' and FAILS[state] then return 'f' end
  if kind == 'o' and ARRIVES[state] then return 'a' end
  if kind ~= 'o' then counts.add('stat:duplicate_reports', 1) end
  return nil, 'D'
end

local function tell(state, old_code, to, code)
  if state == 'f' then codes.add('report:' .. old_code, -1) end
  if state == 'i' or state == 'g' or state == 'r' then codes.add('push:' .. old_code, -1) end
  -- Suppressed was a second attempt only: the first went out after all.
  if state == 'u' then codes.add('suppressed:' .. old_code, -1) end
  if to == 'f' then codes.add('report:' .. code, 1) end
  counts.move(state, to)
  if state == 'p' then counts.add('stat:reported_while_pending', 1) end
  if to ~= 'a' then marks[#marks + 1] = to == 'f' and '1' or '0' end
end

-- Apply the reports from `at` to `last_at`, which are about messages from `first` to `last`, in order. Of a record only code and
-- time change: the span is put together again from these and from what lies between, so that a report costs a few short strings.
local function apply_span(at, last_at, first, last)
  local states = redis.call('GETRANGE', messages, first, last)
  local start = record_range(count, first)
  local records = redis.call('GETRANGE', messages, start, start + (last - first + 1) * WIDTH - 1)
  local new_states, new_records, n = {}, {}, 0
  local states_from, records_from = 1, 1
  local changed, changed_to, changed_code = nil, nil, nil
  for here = at, last_at, 10 do
    local index, attempt, kind, code = unpack('>I2I1c1I2', reports, here)
    local place = index - first
    local record = place * WIDTH + 1
    local state = index == changed and changed_to or sub(states, place + 1, place + 1)
    local to, answer = judge(state, byte(records, record), attempt, kind)
    if to then
      tell(state, index == changed and changed_code or struct.unpack('>I2', records, record + 3), to, code)
      if index ~= changed then
        new_states[2 * n + 1] = sub(states, states_from, place)
        new_records[4 * n + 1] = sub(records, records_from, record + 2)
        states_from, records_from, n = place + 2, record + 13, n + 1
      end
      changed, changed_to, changed_code = index, to, to == 'f' and code or 0
      new_states[2 * n] = to
      new_records[4 * n - 2] = to == 'f' and sub(reports, here + 4, here + 5) or NO_CODE
      new_records[4 * n - 1] = sub(records, record + 5, record + 8)
      new_records[4 * n] = to == 'a' and sub(records, record + 9, record + 12) or sub(reports, here + 6, here + 9)
      if to == 'a' then
        local let_go = unpack('>I4', records, record + 5)
        first_let_go = math.min(first_let_go or let_go, let_go)
      end
    end
    answers[#answers + 1] = answer or 'A'
  end
  if changed then
    redis.call('SETRANGE', messages, first, table.concat(new_states) .. string.sub(states, states_from))
    redis.call('SETRANGE', messages, start, table.concat(new_records) .. string.sub(records, records_from))
  end
end

local at = 1
while at <= #reports do
  local first = struct.unpack('>I2', reports, at)
  if first >= count then
    answers[#answers + 1] = 'U'
    at = at + 10
  else
    local last_at, last = end_of_span(reports, 10, at)
    while last >= count do
      last_at = last_at - 10
      last = struct.unpack('>I2', reports, last_at)
    end
    apply_span(at, last_at, first, last)
    at = last_at + 10
  end
end
counts.add('stat:reports', #marks)
for at = 4, #ARGV, 2 do
  -- A click or reply counts once, however often it is reported.
  if redis.call('SADD', campaign .. ':' .. ARGV[at], ARGV[at + 1]) == 1 then counts.add('stat:' .. ARGV[at], 1) end
end
counts.write(campaign)
codes.write(campaign .. ':codes')
if first_let_go then
  local about = redis.call('HMGET', campaign, 'created_ms', 'report_wait_ms')
  redis.call('ZADD', TAG .. ':due', 'LT', about[1] + first_let_go + about[2], id .. ':' .. number)
end
if too_many_bad(campaign, 'report', table.concat(marks)) then
  brake_campaign(id, campaign, 'too many of the last delivery reports say failed')
end
redis.call('SADD', TAG .. ':moved', id)
finish_if_done(id, campaign, now_us())
return table.concat(answers)
