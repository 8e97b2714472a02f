-- uses: names keys memory clock states records counters rotation campaigns budget trail statistics retries
--
-- Settle messages of a batch that waited long enough: accepted messages without a report, messages in doubt, and failed
-- messages whose second try is due. Safe to repeat.
--
-- Arguments
--   campaign, batch_number  the batch
--   settlement              a Settlement: policy (the clock and the campaign's policy decide); sent or resend (a person
--                           decided that the messages in doubt count as sent, or are to be sent again)
--   decided_ms              the time of the decision (epoch, milliseconds); 0 is now. If a person decided, only
--                           messages that were sent before this time are settled, so that a call that is repeated later
--                           does not settle messages that were pushed again meanwhile. By policy, messages that are due
--                           after this time are not settled, also if Redis' clock was set forward since
--   trail                   the entry of the trail about the decision, see lib/trail.lua; empty: nothing is noted
-- Reply: how many messages were settled in each way
--   no_report  accepted messages whose report is overdue
--   given_up   messages in doubt that are not sent again
--   requeued   messages in doubt that are pending again
--   as_sent    messages in doubt that count as accepted
--   second_tries  failed messages that are pending again, for their second try
-- Keys: campaign with its retries and attempts, messages, codes, lease and redo of the batch; the sender's hash,
--   settle_due, validity_ends, send_windows, leases, batches_out, rotation and changed.
-- Atomic: the states, the counters, and the campaign's new validity if messages in doubt are to be sent again.
-- Cost: O(messages of the batch).
-- The policy `resend` sends a message in doubt again at most once, with the next attempt in its correlation id. For
-- this the campaign gets its validity once more, and all messages of the campaign that are in doubt after their first
-- attempt become pending, each when its batch is settled. No message of a cancelled campaign becomes pending again; the
-- messages of a paused or braked campaign wait until a person resumes the campaign.

-- A batch that waits for other messages of its campaign is settled again after this time at the earliest.
local SETTLE_AGAIN_MS = 1000
local DAY_MS = 86400000

local args = arguments({'campaign', 'batch_number', 'settlement', 'decided_ms', 'trail'})
local id, batch_number, settlement = args.campaign, tonumber(args.batch_number), args.settlement
local campaign_key, member = key_of_campaign(id), batch_member(id, batch_number)
local messages_key, settle_due_key = key_of_batch(campaign_key, MESSAGES, batch_number), key_of_sender('settle_due')
local now = now_us()
local now_ms = math.floor(now / 1000)
local decided_ms = tonumber(args.decided_ms)
-- Messages that were due at this time are settled, and a validity that ended by this time is over.
local over_ms = settlement == 'policy' and decided_ms > 0 and math.min(decided_ms, now_ms) or now_ms
local counts, codes = counter_deltas(), counter_deltas()
local settled = {no_report = 0, given_up = 0, requeued = 0, as_sent = 0, second_tries = 0}
-- Indexes of messages in doubt that count as accepted.
local as_sent = {}
-- The object that collects the changes of the statistics.
local statistics
-- Whether the campaign's policy made messages in doubt pending again, and not a person.
local by_policy = false

-- Return the new state of a message in doubt, and the name under which the reply counts the message; nil if the message
-- stays in doubt.
local function settle_doubt(campaign, attempt, sent_at_ms, is_campaign_over)
  -- The number of an attempt has one byte, and no correlation id may be used again.
  local may_send_again = campaign.state ~= 'cancelled' and attempt < MAX_ATTEMPT
  if settlement ~= 'policy' and sent_at_ms >= decided_ms then return nil end
  if settlement == 'sent' then return ACCEPTED, 'as_sent' end
  if settlement == 'resend' then
    if may_send_again then return PENDING, 'requeued' end
    return nil
  end
  if may_send_again and campaign.in_doubt == 'resend' and attempt == 0 then
    if not campaign.resending and not is_campaign_over then return nil end
    by_policy = true
    return PENDING, 'requeued'
  end
  if is_campaign_over then return GIVEN_UP, 'given_up' end
  return nil
end

-- Return when a failed message is to be sent again (epoch, milliseconds); nil if the message waits for no second try.
local function second_try_ms(campaign, rule, index, fields)
  if not waits_for_second_try(campaign_key, statistics.index_in_campaign(index)) then return nil end
  local tries, sent_ms = statistics.tries_of(index, fields.attempt), campaign.created_ms + fields.sent % PROVIDER_UNIT
  return second_try_due_ms(rule, sent_ms, fields.reported_s, tries, now_ms)
end

-- Make a failed message pending again. Its record gets the next attempt, and keeps the code and the time of the failed
-- report, see lib/retries.lua.
--   position, first, fields  as in change_message
local function try_again(position, first, fields)
  local index = position - 1
  count_second_try(campaign_key, counts, codes, statistics, index, fields)
  redis.call('SETRANGE', messages_key, index, PENDING)
  redis.call('SETRANGE', messages_key, first, string.char(fields.attempt + 1))
  if fields.reported_s == 0 then
    redis.call('SETRANGE', messages_key, first + REPORTED_OFFSET, struct.pack('>I4', 1))
  end
end

-- Write the new state of a message.
--   position  the position of the message in the states, from 1
--   first     where the record of the message begins
--   fields    the fields of the record: attempt, block, code, sent, reported_s
local function change_message(position, first, state, new_state, fields)
  counts.move(state, new_state)
  if new_state == PENDING or (state == IN_DOUBT and new_state == ACCEPTED) then
    codes.add('push:' .. fields.code, -1)
  end
  if state == IN_DOUBT and new_state == ACCEPTED then as_sent[#as_sent + 1] = position - 1 end
  redis.call('SETRANGE', messages_key, position - 1, new_state)
  -- The code in the record belongs to an earlier attempt that failed.
  if new_state == NO_REPORT then redis.call('SETRANGE', messages_key, first + CODE_OFFSET, struct.pack('>I2', 0)) end
  statistics.change(position - 1, state, fields.code, fields.sent, 0, new_state, fields.code, fields.sent, 0)
  if new_state == ACCEPTED then statistics.prove(position - 1, fields.attempt, fields.sent) end
  if new_state == PENDING then
    statistics.sent_again(position - 1, fields.attempt, fields.sent)
    local record = struct.pack(RECORD, fields.attempt + 1, fields.block, 0, fields.sent, 0, NO_TRANSACTION)
    redis.call('SETRANGE', messages_key, first, record)
  end
end

-- Settle the messages of the batch; return when the next message is to be settled (epoch, milliseconds), nil if there
-- is none.
local function settle_messages(campaign, count)
  local created_ms, until_ms = tonumber(campaign.created_ms), tonumber(campaign.until_ms)
  local wait_ms = tonumber(campaign.report_wait_ms)
  local unsent = tonumber(campaign[PENDING]) + tonumber(campaign[SENDING])
  local is_campaign_over = until_ms <= over_ms and unsent == 0
  local states = redis.call('GETRANGE', messages_key, 0, count - 1)
  local rule = until_ms > over_ms and retry_rule(campaign_key, campaign.retry_codes)
  local open_states = '[' .. ACCEPTED .. IN_DOUBT .. (rule and FAILED or '') .. ']'
  local next_due_ms = math.huge
  local position = string.find(states, open_states)
  while position do
    local first, last = record_range(count, position - 1)
    local attempt, block, code, sent, reported_s = struct.unpack(RECORD,
      redis.call('GETRANGE', messages_key, first, last))
    local fields = {attempt = attempt, block = block, code = code, sent = sent, reported_s = reported_s}
    local report_due_ms = created_ms + sent % PROVIDER_UNIT + wait_ms
    local state, new_state, counts_as = string.sub(states, position, position), nil, nil
    if state == IN_DOUBT then
      new_state, counts_as = settle_doubt(campaign, attempt, report_due_ms - wait_ms, is_campaign_over)
    elseif state == FAILED and rule.codes[code] then
      local again_ms = second_try_ms(campaign, rule, position - 1, fields)
      -- No message is sent again after the validity, also if the validity ended after the decision.
      if again_ms and again_ms <= over_ms and until_ms > now_ms and settlement == 'policy' then
        settled.second_tries = settled.second_tries + 1
        try_again(position, first, fields)
      elseif again_ms then
        next_due_ms = math.min(next_due_ms, again_ms)
      end
    elseif state == ACCEPTED and settlement == 'policy' and report_due_ms <= over_ms then
      new_state, counts_as = NO_REPORT, 'no_report'
    end
    if new_state then
      settled[counts_as] = settled[counts_as] + 1
      change_message(position, first, state, new_state, fields)
    end
    if (new_state or state) == ACCEPTED then
      next_due_ms = math.min(next_due_ms, report_due_ms)
    elseif (new_state or state) == IN_DOUBT then
      next_due_ms = math.min(next_due_ms, until_ms)
    end
    position = string.find(states, open_states, position + 1)
  end
  return next_due_ms < math.huge and next_due_ms or nil
end

-- Give the campaign its validity once more, for the messages that are sent again.
local function extend_validity(campaign)
  local until_ms = tonumber(campaign.until_ms)
  if until_ms > now_ms then return end
  local began_ms = math.max(tonumber(campaign.start_ms), tonumber(campaign.sealed_ms or campaign.created_ms))
  -- Only the first extension can compute the validity from until_ms, because each extension writes a later until_ms.
  local validity_ms = tonumber(campaign.validity_ms) or until_ms - began_ms
  redis.call('HSET', campaign_key, 'validity_ms', validity_ms)
  -- The validity of a campaign with a send window must contain the send window of one day.
  if campaign.send_window_closes_ms then validity_ms = validity_ms + DAY_MS end
  redis.call('HSET', campaign_key, 'until_ms', over_ms + validity_ms)
  redis.call('ZADD', key_of_sender('validity_ends'), over_ms + validity_ms, id)
end

-- Put the batch into the redo list, for the messages that are pending again.
local function requeue_batch(campaign)
  if campaign.state == 'finished' then
    redis.call('HSET', campaign_key, 'state', 'running', 'reason', '')
    index_as_live(id)
  end
  redis.call('HDEL', campaign_key, 'finished_ms')
  redis.call('HSET', campaign_key, 'resent', 1)
  if by_policy then redis.call('HSET', campaign_key, 'resending', 1) end
  extend_validity(campaign)
  local lease_key = key_of_batch(campaign_key, LEASE, batch_number)
  if redis.call('HEXISTS', lease_key, 'token') == 1 then
    redis.call('HSET', lease_key, 'first_pending', 0)
    mark_out(campaign_key, member)
  elseif not redis.call('ZSCORE', key_of_sender('leases'), member) then
    redis.call('LPUSH', key_of_redo(campaign_key), batch_number)
  end
  queue_campaign(id, campaign_key)
  local closes_ms = campaign.send_window_closes_ms
  if closes_ms then redis.call('ZADD', key_of_sender('send_windows'), 'NX', closes_ms, id) end
end

local function settle()
  local campaign = read_fields(campaign_key, 'state', 'created_ms', 'report_wait_ms', 'until_ms', 'in_doubt',
    'start_ms', 'sealed_ms', 'send_window_closes_ms', 'resending', 'validity_ms', 'retry_codes', PENDING,
    SENDING)
  if not campaign.state or redis.call('EXISTS', messages_key) == 0 then
    redis.call('ZREM', settle_due_key, member)
    return
  end
  local count = batch_count(campaign_key, batch_number)
  check_records(messages_key, count)
  statistics = message_statistics(campaign_key, batch_number, read_for_statistics(campaign_key))
  local next_due_ms = settle_messages(campaign, count)
  if #as_sent > 0 then counts.add('parts', parts_of(campaign_key, batch_number, as_sent)) end
  counts.write(campaign_key)
  codes.write(key_of_codes(campaign_key))
  statistics.write(now_ms)
  if settled.requeued + settled.second_tries > 0 then requeue_batch(campaign) end
  if settled.no_report + settled.given_up + settled.requeued + settled.as_sent + settled.second_tries > 0 then
    mark_changed(id)
    finish_if_done(id, campaign_key, now)
  end
  if next_due_ms then
    -- The batch is not settled again at once, because it may wait for other messages of the campaign that are pending
    -- or sending.
    redis.call('ZADD', settle_due_key, math.max(next_due_ms, over_ms + SETTLE_AGAIN_MS), member)
  else
    redis.call('ZREM', settle_due_key, member)
  end
end

run_without_memory()
settle()
note_in_trail(args.trail)
return reply(settled)
