-- uses: names keys memory clock states records counters rotation campaigns budget
--
-- Decide messages of a batch that waited long enough: accepted messages without a report, and messages in doubt. Safe
-- to repeat.
--
-- Arguments
--   campaign, number  the batch
--   settlement        a Settlement: policy (the clock and the campaign's policy decide), sent or resend (a person
--                     decided what becomes of messages in doubt)
--   decided_ms        when the person decided (epoch, milliseconds): only messages that were sent before count; 0 with
--                     policy. A call that is repeated later so leaves alone what was pushed again in between.
-- Reply: how many messages became what
--   no_report  accepted messages whose report is overdue
--   given_up   messages in doubt that are not sent again
--   resent     messages in doubt that are pending again
--   as_sent    messages in doubt that count as accepted
-- Keys: campaign, messages, codes, lease and redo of the batch; the sender's pace, due, ends, hours, leases, window,
-- rotation, changed.
-- Atomic: the states, the counters, and what a resend means for the campaign.
-- Cost: O(messages of the batch).
-- Policy resends a message once at most, with the next attempt in its id. The campaign gets its validity once more for
-- that; then all messages that were in doubt after the first attempt are resent, in whatever batch. Nothing of a
-- cancelled campaign is resent; what is resent of a paused or braked campaign waits for its resume.

-- A batch that waits for other messages of its campaign is looked at again after this time.
local LOOK_AGAIN_MS = 1000
local DAY_MS = 86400000

local args = arguments({'campaign', 'number', 'settlement', 'decided_ms'})
local id, number, settlement = args.campaign, tonumber(args.number), args.settlement
local campaign_key, member = key_of_campaign(id), batch_member(id, number)
local messages_key, due_key = key_of_batch(campaign_key, MESSAGES, number), key_of_sender('due')
local now = now_us()
local now_ms = math.floor(now / 1000)
local counts, codes = counter_deltas(), counter_deltas()
local settled = {no_report = 0, given_up = 0, resent = 0, as_sent = 0}
-- Indexes of messages in doubt that count as accepted.
local as_sent = {}
-- Whether the campaign's policy resends, not a person.
local by_policy = false

-- Return what becomes of a message in doubt: its new state, and what it counts as; nil if it stays in doubt.
local function settle_doubt(campaign, attempt, sent_at_ms, is_over)
  -- The number of an attempt has one byte, and no id may come again.
  local may_resend = campaign.state ~= 'cancelled' and attempt < MAX_ATTEMPT
  if settlement ~= 'policy' and sent_at_ms >= tonumber(args.decided_ms) then return nil end
  if settlement == 'sent' then return ACCEPTED, 'as_sent' end
  if settlement == 'resend' then
    if may_resend then return PENDING, 'resent' end
    return nil
  end
  if may_resend and campaign.in_doubt == 'resend' and attempt == 0 then
    if not campaign.resending and not is_over then return nil end
    by_policy = true
    return PENDING, 'resent'
  end
  if is_over then return GIVEN_UP, 'given_up' end
  return nil
end

-- Write the new state of the message at byte `at` of the states.
local function change(at, first, state, to, fields)
  counts.move(state, to)
  if to == PENDING or (state == IN_DOUBT and to == ACCEPTED) then codes.add('push:' .. fields.code, -1) end
  if state == IN_DOUBT and to == ACCEPTED then as_sent[#as_sent + 1] = at - 1 end
  redis.call('SETRANGE', messages_key, at - 1, to)
  if to == PENDING then
    local record = struct.pack(RECORD, fields.attempt + 1, fields.block, 0, fields.sent_ms, 0, NO_TRANSACTION)
    redis.call('SETRANGE', messages_key, first, record)
  end
end

-- Settle the messages of the batch; return when the next of them is to be looked at (epoch, milliseconds), nil if none
-- is.
local function settle_messages(campaign, count)
  local created_ms, until_ms = tonumber(campaign.created_ms), tonumber(campaign.until_ms)
  local wait_ms = tonumber(campaign.report_wait_ms)
  local unsent = tonumber(campaign[PENDING]) + tonumber(campaign[SENDING])
  local is_over = until_ms <= now_ms and unsent == 0
  local states = redis.call('GETRANGE', messages_key, 0, count - 1)
  local open_states = '[' .. ACCEPTED .. IN_DOUBT .. ']'
  local look_ms = math.huge
  local at = string.find(states, open_states)
  while at do
    local first, last = record_range(count, at - 1)
    local attempt, block, code, sent_ms = struct.unpack(RECORD, redis.call('GETRANGE', messages_key, first, last))
    local report_due_ms = created_ms + sent_ms + wait_ms
    local state, to, counts_as = string.sub(states, at, at), nil, nil
    if state == IN_DOUBT then
      to, counts_as = settle_doubt(campaign, attempt, report_due_ms - wait_ms, is_over)
    elseif settlement == 'policy' and report_due_ms <= now_ms then
      to, counts_as = NO_REPORT, 'no_report'
    end
    if to then
      settled[counts_as] = settled[counts_as] + 1
      change(at, first, state, to, {attempt = attempt, block = block, code = code, sent_ms = sent_ms})
    end
    if (to or state) == ACCEPTED then
      look_ms = math.min(look_ms, report_due_ms)
    elseif (to or state) == IN_DOUBT then
      look_ms = math.min(look_ms, until_ms)
    end
    at = string.find(states, open_states, at + 1)
  end
  return look_ms < math.huge and look_ms or nil
end

-- Give the campaign its validity once more, for the messages that are resent.
local function extend_validity(campaign)
  local until_ms = tonumber(campaign.until_ms)
  if until_ms > now_ms then return end
  local began_ms = math.max(tonumber(campaign.start_ms), tonumber(campaign.sealed_ms or campaign.created_ms))
  -- The first resend knows the validity that the campaign was given; the end that it writes is later than that.
  local validity_ms = tonumber(campaign.validity_ms) or until_ms - began_ms
  redis.call('HSET', campaign_key, 'validity_ms', validity_ms)
  -- Of a campaign with hours of the day at least one day's must lie in the validity.
  if campaign.closes_ms then validity_ms = validity_ms + DAY_MS end
  redis.call('HSET', campaign_key, 'until_ms', now_ms + validity_ms)
  redis.call('ZADD', key_of_sender('ends'), now_ms + validity_ms, id)
end

-- Let the batch go out again, with the messages that are pending again.
local function go_on(campaign)
  if campaign.state == 'finished' then
    redis.call('HSET', campaign_key, 'state', 'running', 'reason', '')
    index_as_live(id)
  end
  redis.call('HDEL', campaign_key, 'finished_ms')
  redis.call('HSET', campaign_key, 'resent', 1)
  if by_policy then redis.call('HSET', campaign_key, 'resending', 1) end
  extend_validity(campaign)
  local lease_key = key_of_batch(campaign_key, LEASE, number)
  if redis.call('HEXISTS', lease_key, 'token') == 1 then
    redis.call('HSET', lease_key, 'first_pending', 0)
    enter_window(campaign_key, member)
  elseif not redis.call('ZSCORE', key_of_sender('leases'), member) then
    redis.call('LPUSH', key_of_redo(campaign_key), number)
  end
  queue_campaign(id, campaign_key)
  if campaign.closes_ms then redis.call('ZADD', key_of_sender('hours'), 'NX', campaign.closes_ms, id) end
end

local function settle()
  local campaign = read_fields(campaign_key, 'state', 'created_ms', 'report_wait_ms', 'until_ms', 'in_doubt',
    'start_ms', 'sealed_ms', 'closes_ms', 'resending', 'validity_ms', PENDING, SENDING)
  if not campaign.state or redis.call('EXISTS', messages_key) == 0 then
    redis.call('ZREM', due_key, member)
    return
  end
  local count = batch_count(campaign_key, number)
  check_records(messages_key, count)
  local look_ms = settle_messages(campaign, count)
  if #as_sent > 0 then counts.add('parts', parts_of(campaign_key, number, as_sent)) end
  counts.write(campaign_key)
  codes.write(key_of_codes(campaign_key))
  if settled.resent > 0 then go_on(campaign) end
  if settled.no_report + settled.given_up + settled.resent + settled.as_sent > 0 then
    mark_changed(id)
    finish_if_done(id, campaign_key, now)
  end
  if look_ms then
    -- Not at once: other messages of the campaign, which are still sent, may hold this up.
    redis.call('ZADD', due_key, math.max(look_ms, now_ms + LOOK_AGAIN_MS), member)
  else
    redis.call('ZREM', due_key, member)
  end
end

run_without_memory()
settle()
return reply(settled)
