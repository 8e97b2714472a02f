-- Write the outcomes of pushes. Fenced; safe to repeat: an outcome counts only for the block that opened its message.
-- ARGV: id, number, token, outcomes, back off ('' never | alone: if nothing was accepted | always), at least so many ms,
--       jitter (0.5 to 1), brake scope ('' | campaign | sender), reason of the back-off or brake,
--       how many of them the gateway counted other parts for, the provider that they are all of
--   outcomes (cheapest if sorted by index): for each message index u16, block u16, verdict (one byte), code u16, transaction 8 bytes, parts u8
--   verdicts: a accepted, r rejected, i in doubt, p back to pending (not sent), b back to pending (never begun), u suppressed
-- Reply: {'recorded', how many changed} | {'lost'}. O(outcomes).
-- Backing off, and the brake of a sender, are of this sender at this provider.
local FIRST_HOLD_MS, LONGEST_HOLD_MS = 1000, 60000
local id, number, token, outcomes = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local campaign = campaign_key(id)
local batch, messages = campaign .. ':b:' .. number, campaign .. ':m:' .. number
local held = redis.call('HMGET', batch, 'token', 'count', 'low')
if held[1] ~= token then return {'lost'} end
local count, low = tonumber(held[2]), tonumber(held[3])
local now = now_us()
local counts, codes = tally(), tally()
local changed, lowest, good, suppressed, marks = 0, low, 0, 0, {}
local unused = {}

local function take(span, index, block, verdict, code, transaction, parts)
  local state, attempt, opened_by, old_code, let_go, reported, old_transaction = span.get(index)
  if opened_by ~= block then return end
  if state == 's' then
    local to = verdict == 'b' and 'p' or verdict
    span.put(index, to, attempt, block, code, let_go, reported, transaction)
    counts.move('s', to)
    changed = changed + 1
    if to == 'p' and index < lowest then lowest = index end
    if verdict ~= 'a' and verdict ~= 'i' then unused[#unused + 1] = {index, let_go} end
    if verdict == 'a' then
      counts.add('parts', parts)
      good = good + 1
    elseif verdict == 'p' then
      codes.add('retry:' .. code, 1)
    elseif verdict == 'u' then
      codes.add('suppressed:' .. code, 1)
      suppressed = suppressed + 1
    elseif verdict ~= 'b' then
      codes.add('push:' .. code, 1)
    end
    if verdict == 'a' or verdict == 'r' then marks[#marks + 1] = verdict == 'r' and '1' or '0' end
  elseif verdict == 'a' and old_transaction == NO_TRANSACTION and string.find('adf', state, 1, true) and transaction ~= NO_TRANSACTION then
    -- Its report, or a click, was faster than the answer: only the transaction id is news.
    span.put(index, state, attempt, block, old_code, let_go, reported, transaction)
    counts.add('parts', parts)
    good = good + 1
  end
end

local at = 1
while at <= #outcomes do
  local last_at, last = end_of_span(outcomes, 16, at)
  local span = read_span(messages, count, struct.unpack('>I2', outcomes, at), last)
  for here = at, last_at, 16 do
    local index, block, verdict, code, transaction, parts = struct.unpack('>I2I2c1I2c8I1', outcomes, here)
    take(span, index, block, verdict, code, transaction, parts)
  end
  span.write()
  at = last_at + 16
end

-- A repetition, or outcomes whose reports were faster in all of them, mean nothing beyond their own messages.
if changed == 0 and good == 0 then return {'recorded', 0} end
counts.add('stat:part_disagreements', tonumber(ARGV[10]))
counts.write(campaign)
codes.write(campaign .. ':codes')
if lowest < low then
  redis.call('HSET', batch, 'low', lowest)
  enter_window(campaign, id .. ':' .. number)
end

-- What the provider did not take costs nothing: its parts may go to others.
if #unused > 0 then
  local created_ms, sizes = tonumber(redis.call('HGET', campaign, 'created_ms')), redis.call('GET', campaign .. ':k:' .. number)
  local all, of_today, today = 0, 0, day_of(now / 1000)
  for _, message in ipairs(unused) do
    local size = sizes and string.byte(sizes, message[1] + 1) or 1
    all = all + size
    -- Rather too little comes back than too much: a slot may lie a moment after the opening that was counted.
    if day_of(created_ms + message[2] - 100) == today then of_today = of_today + size end
  end
  redis.call('HINCRBY', campaign, 'parts_out', -all)
  if of_today > 0 and tonumber(redis.call('HGET', TAG .. ':pace', 'most_parts_per_day') or '0') > 0 then
    redis.call('HINCRBY', TAG .. ':pace', 'day_parts', -of_today)
    redis.call('HDEL', TAG .. ':pace', 'full_day')
  end
end

if too_many_bad(campaign, 'push', table.concat(marks)) then
  brake_campaign(id, campaign, 'too many of the last pushes were rejected')
end

-- An answer that arrives while the provider is held was on its way before: only one after the hold ends the backing off.
local pace = TAG .. ':pace'
local brake, until_us, times, why = 'brake@' .. ARGV[11], 'hold_until_us@' .. ARGV[11], 'hold_n@' .. ARGV[11], 'hold_why@' .. ARGV[11]
local hold = redis.call('HMGET', pace, until_us, times)
local hold_until, held_before = tonumber(hold[1] or '0'), tonumber(hold[2] or '0')
local back_off, at_least_ms, jitter = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
if hold_until <= now then
  if back_off == 'always' or (back_off == 'alone' and good == 0) then
    local ms = math.max(at_least_ms, FIRST_HOLD_MS * 2 ^ math.min(held_before, 16) * jitter)
    ms = math.min(ms, math.max(LONGEST_HOLD_MS, at_least_ms))
    redis.call('HSET', pace, until_us, string.format('%.0f', now + ms * 1000), times, held_before + 1, why, ARGV[9])
  elseif good > 0 and held_before > 0 then
    redis.call('HSET', pace, times, 0, why, '')
  end
  -- It tried nothing: the next message may at once try whether the provider is back.
  if suppressed > 0 then redis.call('HDEL', pace, 'probe_us@' .. ARGV[11]) end
elseif back_off == 'always' and now + at_least_ms * 1000 > hold_until then
  -- What the provider asks for holds, whoever of those in flight was told of it.
  redis.call('HSET', pace, until_us, string.format('%.0f', now + at_least_ms * 1000))
end
if ARGV[8] == 'campaign' then
  brake_campaign(id, campaign, ARGV[9])
elseif ARGV[8] == 'sender' and (redis.call('HGET', pace, brake) or '') == '' then
  redis.call('HSET', pace, brake, ARGV[9])
end
redis.call('SADD', TAG .. ':moved', id)
return {'recorded', changed}
