-- uses: names keys memory clock states records spans counters hours rotation campaigns brakes providers budget
--
-- Write what came of the pushes of a batch, and draw the conclusions: back off from the provider, or brake. Fenced by
-- the token. Safe to repeat: an outcome counts only for the block that opened its message.
-- If the ledger lost its last second, messages are pending that the worker pushed: their block has a number that the
-- lease does not know yet. The outcome of such a block counts for a pending message: nobody else holds the token.
--
-- Arguments
--   campaign, number    the batch
--   token               the fencing token of the worker's lease
--   outcomes            for each message: index u16, block u16, verdict (one byte, a PushResult), code u16, transaction
--                       8 bytes, parts u8; cheapest if sorted by index
--   hold                whether the sender backs off from the provider: a HoldPolicy
--   hold_at_least_ms    how long the provider asked to be left alone, in milliseconds; 0 if it did not
--   jitter              0.5 to 1; a factor that spreads the moments at which senders come back
--   brake               what is braked: a BrakeTarget
--   reason              why the sender backs off or is braked, for people
--   part_disagreements  for how many of these messages the provider counted other parts than we did
--   provider            the nickname of the provider that all these messages went through
-- Reply: status is recorded, with changed: how many messages changed their state; or lost: the lease went to another
-- worker.
-- Keys: campaign, lease, messages, parts and codes of the batch, recent_push of the campaign; the sender's pace,
-- window, changed.
-- Atomic: the states of the messages, the counters and the conclusions. Back-off and the sender's brake hold for this
-- provider only.
-- Cost: O(outcomes).
--
-- The course begins at run_without_memory(), below the functions that are its steps.

-- One item of the outcomes.
local ITEM = '>I2I2c1I2c8I1'
local ITEM_BYTES = 16
-- The results that are no states: both make the message pending again.
local NOT_SENT = 'p'
local NEVER_BEGUN = 'b'
-- The results of which a provider took no message.
local UNSENT_RESULTS = {[NOT_SENT] = true, [NEVER_BEGUN] = true, [REJECTED] = true, [SUPPRESSED] = true}
-- A sender backs off for one second at first, for twice as long at each failure after that, and for a minute at most.
local FIRST_HOLD_MS = 1000
local MAX_HOLD_MS = 60000
-- A slot may lie a little after the opening whose day its parts were counted for.
local SLOT_TOLERANCE_MS = 100

local args = arguments({'campaign', 'number', 'token', 'outcomes', 'hold', 'hold_at_least_ms', 'jitter', 'brake',
  'reason', 'part_disagreements', 'provider'})
local id, number, outcomes = args.campaign, args.number, args.outcomes
local campaign_key, pace_key = key_of_campaign(id), key_of_sender('pace')
local lease_key, messages_key = key_of_batch(campaign_key, LEASE, number), key_of_batch(campaign_key, MESSAGES, number)
local now = now_us()
-- The number of the last block under the token, and the time from the campaign's creation until now.
local last_block, sent_now_ms
local counts, codes = counter_deltas(), counter_deltas()
-- How many messages changed their state, how many the provider took and with how many parts, how many are suppressed,
-- and the lowest index of those that are pending again.
local changed, good, accepted_parts, suppressed, lowest = 0, 0, 0, 0, nil
-- The messages whose parts come back, those of blocks that the ledger lost, and a mark for each push for the automatic
-- brake.
local unused, regained, marks = {}, {}, {}

-- Count what came of a message that was sending and was not accepted.
local function count_failure(verdict, code, index, sent_ms)
  if verdict ~= IN_DOUBT then unused[#unused + 1] = {index = index, sent_ms = sent_ms} end
  if verdict == NOT_SENT or verdict == NEVER_BEGUN then lowest = math.min(lowest or index, index) end
  if verdict == NOT_SENT then
    codes.add('retry:' .. code, 1)
  elseif verdict == SUPPRESSED then
    codes.add('suppressed:' .. code, 1)
    suppressed = suppressed + 1
  elseif verdict ~= NEVER_BEGUN then
    codes.add('push:' .. code, 1)
  end
  if verdict == REJECTED then marks[#marks + 1] = '1' end
end

-- Return the state that a verdict gives to a message that was sending, and the attempt that its record is about. What a
-- later attempt leaves unsent hides that an earlier one was in doubt: the message is given up.
local function state_after(verdict, attempt)
  if verdict == NEVER_BEGUN then return PENDING, attempt end
  if attempt > 0 and (verdict == REJECTED or verdict == SUPPRESSED) then return GIVEN_UP, attempt - 1 end
  return verdict, attempt
end

-- Apply the outcome of a block that the ledger lost, see above.
local function regain(span, index, block, verdict, code, transaction, parts)
  local state, attempt = span.get(index)
  if state ~= PENDING or verdict == NOT_SENT or verdict == NEVER_BEGUN then return end
  local to, new_attempt = state_after(verdict, attempt)
  span.put(index, to, new_attempt, block, code, sent_now_ms, 0, transaction)
  counts.move(PENDING, to)
  changed = changed + 1
  if verdict == ACCEPTED then accepted_parts, good = accepted_parts + parts, good + 1 end
  if verdict == ACCEPTED or verdict == IN_DOUBT then regained[#regained + 1] = index end
  if verdict ~= ACCEPTED then codes.add(code_origin(code) .. code, 1) end
end

local function apply_outcome(span, index, block, verdict, code, transaction, parts)
  local state, attempt, opened_by, old_code, sent_ms, reported_s, old_transaction = span.get(index)
  if is_later_block(block, last_block) then return regain(span, index, block, verdict, code, transaction, parts) end
  if opened_by ~= block then return end
  if state == SENDING then
    local to, new_attempt = state_after(verdict, attempt)
    span.put(index, to, new_attempt, block, code, sent_ms, reported_s, transaction)
    counts.move(SENDING, to)
    changed = changed + 1
    if verdict == ACCEPTED then
      accepted_parts, good = accepted_parts + parts, good + 1
      marks[#marks + 1] = '0'
    else
      count_failure(verdict, code, index, sent_ms)
    end
  elseif verdict == ACCEPTED and old_transaction == NO_TRANSACTION and transaction ~= NO_TRANSACTION
    and (state == ACCEPTED or state == DELIVERED or state == FAILED) then
    -- A report or a click was faster than the answer, and counted the parts: only the transaction id is news.
    span.put(index, state, attempt, block, old_code, sent_ms, reported_s, transaction)
    good = good + 1
  elseif attempt > 0 and UNSENT_RESULTS[verdict] and old_transaction == NO_TRANSACTION
    and (state == ACCEPTED or state == DELIVERED or state == FAILED) then
    -- A report proved the earlier attempt while this one was on its way; this one was not sent. The block number 0 lets
    -- no other outcome of this block count.
    span.put(index, state, attempt - 1, 0, old_code, sent_ms, reported_s, NO_TRANSACTION)
    unused[#unused + 1] = {index = index, sent_ms = sent_ms}
  end
end

local function apply_outcomes(count)
  local unpack_item, at = struct.unpack, 1
  while at <= #outcomes do
    local last_at, last = end_of_span(outcomes, ITEM_BYTES, at)
    local span = read_span(messages_key, count, unpack_item('>I2', outcomes, at), last)
    for item_at = at, last_at, ITEM_BYTES do
      local index, block, verdict, code, transaction, parts = unpack_item(ITEM, outcomes, item_at)
      apply_outcome(span, index, block, verdict, code, transaction, parts)
    end
    span.write()
    at = last_at + ITEM_BYTES
  end
end

-- Give back the parts of messages that the provider did not take.
local function return_unused_parts()
  local created_ms = tonumber(redis.call('HGET', campaign_key, 'created_ms'))
  local sizes = redis.call('GET', key_of_batch(campaign_key, PARTS, number))
  local parts, parts_of_today, today = 0, 0, day_of(now / 1000)
  for _, message in ipairs(unused) do
    local size = sizes and string.byte(sizes, message.index + 1) or 1
    parts = parts + size
    -- Around midnight rather too few parts come back to the day than too many.
    if day_of(created_ms + message.sent_ms - SLOT_TOLERANCE_MS) == today then parts_of_today = parts_of_today + size end
  end
  return_parts(campaign_key, parts, parts_of_today)
end

-- Begin, extend or end the sender's backing off from the provider.
local function update_hold()
  local _, hold_until_us, hold_count, probe_us = provider_fields(args.provider)
  local hold_reason = 'hold_reason@' .. args.provider
  local pace = read_fields(pace_key, hold_until_us, hold_count)
  local until_us = end_of_wait(pace[hold_until_us], MAX_HOLD_US, now)
  local holds = tonumber(pace[hold_count] or '0')
  local at_least_ms = tonumber(args.hold_at_least_ms)
  if until_us > now then
    -- The answers that arrive during a hold were on their way before: they neither end nor double it. But what the
    -- provider asks for holds, whichever answer says so.
    local asked_us = now + at_least_ms * 1000
    if args.hold == 'always' and asked_us > until_us then
      redis.call('HSET', pace_key, hold_until_us, string.format('%.0f', asked_us))
    end
    return
  end
  if args.hold == 'always' or (args.hold == 'if_none_accepted' and good == 0) then
    local ms = math.max(at_least_ms, FIRST_HOLD_MS * 2 ^ math.min(holds, 16) * tonumber(args.jitter))
    ms = math.min(ms, math.max(MAX_HOLD_MS, at_least_ms))
    redis.call('HSET', pace_key, hold_until_us, string.format('%.0f', now + ms * 1000), hold_count, holds + 1,
      hold_reason, args.reason)
  elseif (good > 0 or #marks > 0) and holds > 0 then  -- a provider that rejects a message is back as well
    redis.call('HSET', pace_key, hold_count, 0, hold_reason, '')
  end
  -- A suppressed message was no probe: the next one may at once try whether the provider is back.
  if suppressed > 0 then redis.call('HDEL', pace_key, probe_us) end
end

run_without_memory()
local lease = read_fields(lease_key, 'token', 'count', 'first_pending', 'last_block')
if lease.token ~= args.token then return reply({status = 'lost'}) end
last_block = tonumber(lease.last_block)
sent_now_ms = time_since_created(redis.call('HGET', campaign_key, 'created_ms'), math.floor(now / 1000))
check_records(messages_key, tonumber(lease.count))
apply_outcomes(tonumber(lease.count))
-- A repetition, or outcomes whose reports were all faster, mean nothing beyond their own messages.
if changed == 0 and good == 0 and #unused == 0 then return reply({status = 'recorded', changed = 0}) end

counts.add('parts', accepted_parts)
counts.add('stat:part_disagreements', tonumber(args.part_disagreements))
counts.write(campaign_key)
codes.write(key_of_codes(campaign_key))
if lowest and lowest < tonumber(lease.first_pending) then
  redis.call('HSET', lease_key, 'first_pending', lowest)
  enter_window(campaign_key, batch_member(id, number))
end
if #unused > 0 then return_unused_parts() end
if #regained > 0 then count_parts_out(campaign_key, number, regained) end

if too_many_bad(campaign_key, 'push', table.concat(marks)) then
  brake_campaign(id, campaign_key, 'too_many_rejected')
end
update_hold()
if args.brake == 'campaign' then
  brake_campaign(id, campaign_key, args.reason)
elseif args.brake == 'sender' then
  local brake = provider_fields(args.provider)
  if (redis.call('HGET', pace_key, brake) or '') == '' then
    redis.call('HSET', pace_key, brake, args.reason, 'held_us', string.format('%.0f', now))
  end
end
mark_changed(id)
return reply({status = 'recorded', changed = changed})
