-- Apply delivery reports to messages of one batch. Idempotent; any order.
-- ARGV: id, number, reports: for each index-in-batch u16, attempt u8, kind (d delivered, f failed, o other), code u16, ts u32
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
for at = 1, #reports, 10 do
  local index, attempt, kind, code, ts = struct.unpack('>I2I1c1I2I4', reports, at)
  local answer = 'D'
  if index >= count then
    answer = 'U'
  else
    local state = redis.call('GETRANGE', messages, index, index)
    local first, last = record_range(count, index)
    local current, block, old_code, let_go, reported, transaction =
      struct.unpack(RECORD, redis.call('GETRANGE', messages, first, last))
    local to = nil
    if attempt > current then
      answer = 'U'
    elseif kind == 'd' and state ~= 'd' then
      to = 'd'
    elseif kind == 'f' and attempt < current then
      answer = 'S'
    elseif kind == 'f' and FAILS[state] then
      to = 'f'
    end
    if to then
      if state == 'f' then codes.add('report:' .. old_code, -1) end
      if state == 'i' or state == 'g' or state == 'r' then codes.add('push:' .. old_code, -1) end
      if to == 'f' then codes.add('report:' .. code, 1) end
      redis.call('SETRANGE', messages, index, to)
      redis.call('SETRANGE', messages, first, struct.pack(RECORD, current, block, to == 'f' and code or 0, let_go, ts, transaction))
      counts.move(state, to)
      counts.add('stat:reports', 1)
      if state == 'p' then counts.add('stat:reported_while_pending', 1) end
      if kind ~= 'o' then marks[#marks + 1] = to == 'f' and '1' or '0' end
      answer = 'A'
    elseif answer == 'D' and kind ~= 'o' then
      counts.add('stat:duplicate_reports', 1)
    end
  end
  answers[#answers + 1] = answer
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
