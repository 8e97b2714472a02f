-- Apply delivery reports to messages of one batch. Idempotent; any order.
-- ARGV: id, number, reports (cheapest if sorted by index): for each index-in-batch u16, attempt u8, kind (d delivered, f failed, o other), code u16, ts u32
--       then for each click or reply its kind (clicked | replied) and eight bytes that tell it from others
-- Reply: one byte per report: A applied, D nothing changed, S an older attempt, U no such message. O(reports).
-- Delivered beats everything; among failures the first stays; a report may come before `accepted`, or for a message that is
-- pending again: then it was sent after all, and must not go out a second time.
local id, number, reports = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local campaign = campaign_key(id)
local messages = campaign .. ':m:' .. number
if redis.call('EXISTS', messages) == 0 then return string.rep('U', #reports / 10) end
local count = batch_count(campaign, number)
local FAILS = {p = true, s = true, a = true, i = true, n = true, g = true}
local counts, codes, answers = tally(), tally(), {}
local marks = {}
local function apply(span, index, attempt, kind, code, ts)
  local state, current, block, old_code, let_go, _, transaction = span.get(index)
  local to = nil
  if attempt > current then
    return 'U'
  elseif kind == 'd' and state ~= 'd' then
    to = 'd'
  elseif kind == 'f' and attempt < current then
    return 'S'
  elseif kind == 'f' and FAILS[state] then
    to = 'f'
  end
  if not to then
    if kind ~= 'o' then counts.add('stat:duplicate_reports', 1) end
    return 'D'
  end
  if state == 'f' then codes.add('report:' .. old_code, -1) end
  if state == 'i' or state == 'g' or state == 'r' then codes.add('push:' .. old_code, -1) end
  -- Suppressed was a second attempt only: the first went out after all.
  if state == 'u' then codes.add('suppressed:' .. old_code, -1) end
  if to == 'f' then codes.add('report:' .. code, 1) end
  span.put(index, to, current, block, to == 'f' and code or 0, let_go, ts, transaction)
  counts.move(state, to)
  counts.add('stat:reports', 1)
  if state == 'p' then counts.add('stat:reported_while_pending', 1) end
  marks[#marks + 1] = to == 'f' and '1' or '0'
  return 'A'
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
    local span = read_span(messages, count, first, last)
    for here = at, last_at, 10 do
      local index, attempt, kind, code, ts = struct.unpack('>I2I1c1I2I4', reports, here)
      answers[#answers + 1] = apply(span, index, attempt, kind, code, ts)
    end
    span.write()
    at = last_at + 10
  end
end
for at = 4, #ARGV, 2 do
  -- A click or reply counts once, however often it is reported.
  if redis.call('SADD', campaign .. ':' .. ARGV[at], ARGV[at + 1]) == 1 then counts.add('stat:' .. ARGV[at], 1) end
end
counts.write(campaign)
codes.write(campaign .. ':codes')
if too_many_bad(campaign, 'report', table.concat(marks)) then
  brake_campaign(id, campaign, 'too many of the last delivery reports say failed')
end
redis.call('SADD', TAG .. ':moved', id)
finish_if_done(id, campaign, clock_us())
return table.concat(answers)
