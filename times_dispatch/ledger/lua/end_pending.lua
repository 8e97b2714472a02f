-- uses: names keys memory clock states records damage campaigns leases statistics counters retries
--
-- End the pending messages in some batches of a campaign that was cancelled, or whose validity is over. Safe to repeat.
-- A message that is pending because it was in doubt and was to be sent again is given up, because its earlier attempt
-- may have been sent. A message that is pending for its second try becomes failed again, and no failed message waits
-- for a second try any more. This script needs no memory: for batches that no worker ever took, the script writes only
-- two fields of the campaign (unopened_state and unopened_before).
--
-- Arguments
--   campaign     the id of the campaign
--   max_batches  how many batches this call ends; the next call continues with the next batch
--   state        the state that the messages get: cancelled or expired, as a MessageState
--   decided_ms   when upkeep decided (epoch, milliseconds): a validity that ends later does not count as over, also if
--                Redis' clock was set forward since; 0 is now
-- Reply
--   is_round_over  1 if this was the last call of a round, else 0
--   ended          how many messages were ended, including messages that were given up or are failed again
--   damaged        a list of replies, one for each batch that cannot be ended: batch_number, error
-- Keys: campaign, its codes, retries and redo list, messages and lease of each batch; the sender's leases, batches_out,
--   validity_ends, rotations, changed, live and ended.
-- Atomic: the states and the counters.
-- Cost: O(batches), and O(messages) of the batches that a worker once took; O(1) if no message is pending.
-- A batch that a worker holds is passed over: the worker releases the batch soon, and the next round begins with the
-- first batch again. A batch that no worker has taken yet is ended at once. Once no message of the campaign is pending
-- or sending, there is no further round.

-- The code of a message that was to be sent again, and was not sent again; Failure.NOT_SENT_AGAIN in
-- provider/failures.py.
local NOT_SENT_AGAIN = 16

local args = arguments({'campaign', 'max_batches', 'state', 'decided_ms'})
local id, new_state, campaign_key = args.campaign, args.state, key_of_campaign(args.campaign)
local validity_ends_key = key_of_sender('validity_ends')
local now = now_us()
local decided_ms = tonumber(args.decided_ms)
local over_ms = decided_ms > 0 and math.min(decided_ms, now / 1000) or now / 1000
local damaged = {}
local codes = counter_deltas()
-- The campaign's fields for the statistics.
local fields_for_statistics

-- Say whether no more messages of the campaign are sent.
local function is_campaign_over(campaign)
  if new_state == CANCELLED then return campaign.state == 'cancelled' end
  return tonumber(campaign.until_ms) <= over_ms
end

-- Give up the pending messages whose earlier attempt was in doubt, and make those failed again whose earlier attempt
-- failed. Return the states of the batch's messages afterwards, how many messages were given up, and how many are
-- failed again.
local function end_second_attempts(messages_key, states, count, statistics)
  local records, given_up, failed_again = redis.call('GETRANGE', messages_key, count, -1), 0, 0
  local position = string.find(states, PENDING, 1, true)
  while position do
    local attempt, _, code, sent, reported_s = struct.unpack(RECORD, records, (position - 1) * WIDTH + 1)
    if attempt > 0 then
      -- The record is about the earlier attempt, which may have been sent, or failed.
      local first = record_range(count, position - 1)
      redis.call('SETRANGE', messages_key, first, string.char(attempt - 1))
      if reported_s > 0 then
        redis.call('SETRANGE', messages_key, position - 1, FAILED)
        statistics.change(position - 1, PENDING, 0, 0, 0, FAILED, code, sent, reported_s)
        codes.add('report:' .. code, 1)
        failed_again = failed_again + 1
      else
        redis.call('SETRANGE', messages_key, first + CODE_OFFSET, struct.pack('>I2', NOT_SENT_AGAIN))
        redis.call('SETRANGE', messages_key, position - 1, GIVEN_UP)
        statistics.change(position - 1, PENDING, 0, 0, 0, GIVEN_UP, NOT_SENT_AGAIN, sent, 0)
        given_up = given_up + 1
      end
    end
    position = string.find(states, PENDING, position + 1, true)
  end
  return redis.call('GETRANGE', messages_key, 0, count - 1), given_up, failed_again
end

-- End a batch without records; return how many messages of the batch were pending. Batches are ended in order, so that
-- two fields of the campaign describe all ended batches without records.
local function end_unopened(batch_number, unopened)
  if batch_number < unopened.before then return 0 end
  local member = batch_member(id, batch_number)
  if redis.call('ZSCORE', key_of_sender('leases'), member) then drop_lease(campaign_key, batch_number, member) end
  unopened.ended = unopened.ended + batch_count(campaign_key, batch_number)
  return batch_count(campaign_key, batch_number)
end

-- Count the messages that are still pending as ended in the statistics.
local function count_ended(messages_key, states, count, statistics)
  local position = string.find(states, PENDING, 1, true)
  local records = position and redis.call('GETRANGE', messages_key, count, -1)
  while position do
    local _, _, _, sent = struct.unpack(RECORD, records, (position - 1) * WIDTH + 1)
    statistics.change(position - 1, PENDING, 0, 0, 0, new_state, 0, sent, 0)
    position = string.find(states, PENDING, position + 1, true)
  end
end

-- End the pending messages of a batch that has records; return how many messages got the new state, how many were given
-- up, and how many are failed again.
local function end_opened(batch_number, messages_key, has_sent_again)
  if redis.call('ZSCORE', key_of_sender('leases'), batch_member(id, batch_number)) then return 0, 0, 0 end
  local count = batch_count(campaign_key, batch_number)
  check_records(messages_key, count)
  local states, given_up, failed_again = redis.call('GETRANGE', messages_key, 0, count - 1), 0, 0
  local statistics = message_statistics(campaign_key, batch_number, fields_for_statistics)
  if has_sent_again then
    states, given_up, failed_again = end_second_attempts(messages_key, states, count, statistics)
  end
  count_ended(messages_key, states, count, statistics)
  local new_states, changed = string.gsub(states, PENDING, new_state)
  if changed > 0 then redis.call('SETRANGE', messages_key, 0, new_states) end
  statistics.write(math.floor(now / 1000))
  return changed, given_up, failed_again
end

local function end_batch(batch_number, unopened, has_sent_again)
  local messages_key = key_of_batch(campaign_key, MESSAGES, batch_number)
  if redis.call('EXISTS', messages_key) == 1 then return end_opened(batch_number, messages_key, has_sent_again) end
  return end_unopened(batch_number, unopened), 0, 0
end

-- End batches from `first` on. Returns a table:
--   next_batch  the number of the batch at which the next call continues
--   ended       how many messages were ended
--   given_up    how many of these messages were given up
--   failed      how many of these messages are failed again
local function end_batches(first, batches, pending, unopened, has_sent_again)
  local batch_number, ended, given_up, failed = first, 0, 0, 0
  local last = math.min(batches, first + tonumber(args.max_batches))
  while ended < pending and batch_number < last do
    local is_sound, outcome, batch_given_up, batch_failed = pcall(end_batch, batch_number, unopened, has_sent_again)
    if is_sound then
      ended = ended + outcome + batch_given_up + batch_failed
      given_up, failed = given_up + batch_given_up, failed + batch_failed
    else
      damaged[#damaged + 1] = reply({batch_number = batch_number, error = error_text(outcome)})
    end
    batch_number = batch_number + 1
  end
  return {next_batch = batch_number, ended = ended, given_up = given_up, failed = failed}
end

run_without_memory()
local campaign = read_fields(campaign_key, 'state', 'batches', 'until_ms', 'ended_batches', 'unopened_state',
  'unopened_before', 'resent', PENDING, SENDING)
local batches, pending, sending = tonumber(campaign.batches), tonumber(campaign[PENDING]), tonumber(campaign[SENDING])
if not is_campaign_over(campaign) then return reply({is_round_over = 1, ended = 0, damaged = {}}) end
end_waits_for_second_tries(campaign_key)
local unopened = {before = tonumber(campaign.unopened_before or '0'), ended = 0}
local first = math.min(tonumber(campaign.ended_batches or '0'), unopened.before)
fields_for_statistics = read_for_statistics(campaign_key)
local round = end_batches(first, batches, pending, unopened, campaign.resent)
local next_batch, ended, given_up, failed = round.next_batch, round.ended, round.given_up, round.failed
-- The two fields hold one state. If the validity ended first and a cancel came later, all messages in batches without
-- records count as expired.
local unopened_state = campaign.unopened_state or new_state
if unopened.ended > 0 then
  redis.call('HSET', campaign_key, 'unopened_state', unopened_state)
  local statistics = message_statistics(campaign_key, 0, fields_for_statistics)
  statistics.add(unopened_state, unopened.ended, 0)
  statistics.write(math.floor(now / 1000))
end
redis.call('HSET', campaign_key, 'unopened_before', math.max(unopened.before, next_batch))
if ended > 0 then
  redis.call('HINCRBY', campaign_key, PENDING, -ended)
  if unopened.ended > 0 then redis.call('HINCRBY', campaign_key, unopened_state, unopened.ended) end
  if ended > unopened.ended then
    redis.call('HINCRBY', campaign_key, new_state, ended - unopened.ended - given_up - failed)
  end
  if failed > 0 then redis.call('HINCRBY', campaign_key, FAILED, failed) end
  codes.write(key_of_codes(campaign_key))
  if given_up > 0 then
    redis.call('HINCRBY', campaign_key, GIVEN_UP, given_up)
    redis.call('HINCRBY', key_of_codes(campaign_key), 'push:' .. NOT_SENT_AGAIN, given_up)
  end
  mark_changed(id)
end
if ended == pending then
  -- No batch is left to issue, also if the validity is extended later.
  redis.call('HSET', campaign_key, 'next_batch', batches)
  redis.call('DEL', key_of_redo(campaign_key))
  next_batch = batches
  if sending == 0 then redis.call('ZREM', validity_ends_key, id) end
end
redis.call('HSET', campaign_key, 'ended_batches', next_batch < batches and next_batch or 0)
if finish_if_done(id, campaign_key, now) then mark_changed(id) end
return reply({is_round_over = next_batch < batches and 0 or 1, ended = ended, damaged = damaged})
