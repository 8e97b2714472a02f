-- uses: names keys states records rotation campaigns statistics
-- Taking a batch back from a worker, which released the batch or died.

-- The code of a message that became in doubt because its worker was lost; Failure.WORKER_LOST in provider/failures.py.
local WORKER_LOST = 13

-- Return when upkeep must settle messages of a batch (epoch, ms): messages in doubt when the validity ends, accepted
-- messages when their report is overdue. Returns false if no message is in either state.
local function settle_due_ms(campaign_key, states, now_ms)
  local campaign = read_fields(campaign_key, 'until_ms', 'report_wait_ms')
  local due_ms = false
  if string.find(states, ACCEPTED, 1, true) then due_ms = now_ms + tonumber(campaign.report_wait_ms) end
  if string.find(states, IN_DOUBT, 1, true) then
    local doubt_ends_ms = math.max(tonumber(campaign.until_ms), now_ms)
    if not due_ms or doubt_ends_ms < due_ms then due_ms = doubt_ends_ms end
  end
  return due_ms
end

-- Make all messages of a batch that are sending in doubt, because nobody knows whether these messages reached the
-- provider. Returns the states of the batch's messages afterwards, and how many messages changed.
local function mark_in_doubt(campaign_key, messages_key, batch_number, count, now)
  local states = redis.call('GETRANGE', messages_key, 0, count - 1)
  if states == '' then return string.rep(state_without_records(campaign_key, batch_number), count), 0 end
  local in_doubt, statistics = 0, nil
  local position = string.find(states, SENDING, 1, true)
  if position then statistics = message_statistics(campaign_key, batch_number, read_for_statistics(campaign_key)) end
  while position do
    redis.call('SETRANGE', messages_key, position - 1, IN_DOUBT)
    local first, last = record_range(count, position - 1)
    local _, _, _, sent = struct.unpack(RECORD, redis.call('GETRANGE', messages_key, first, last))
    redis.call('SETRANGE', messages_key, first + CODE_OFFSET, struct.pack('>I2', WORKER_LOST))
    statistics.change(position - 1, SENDING, 0, 0, 0, IN_DOUBT, WORKER_LOST, sent, 0)
    in_doubt = in_doubt + 1
    position = string.find(states, SENDING, position + 1, true)
  end
  if in_doubt > 0 then
    states = string.gsub(states, SENDING, IN_DOUBT)
    redis.call('HINCRBY', campaign_key, SENDING, -in_doubt)
    redis.call('HINCRBY', campaign_key, IN_DOUBT, in_doubt)
    redis.call('HINCRBY', key_of_codes(campaign_key), 'push:' .. WORKER_LOST, in_doubt)
    statistics.write(math.floor(now / 1000))
  end
  return states, in_doubt
end

-- Delete the lease of a batch; the batch is then no longer out for work.
local function drop_lease(campaign_key, batch_number, member)
  redis.call('ZREM', key_of_sender('leases'), member)
  mark_not_out(campaign_key, member)
  redis.call('DEL', key_of_batch(campaign_key, LEASE, batch_number))
end

-- Return when to try a batch again whose pending messages all wait for copies of other campaigns (epoch, ms); nil if
-- other messages of the batch are pending.
local function copies_decide_ms(lease_key, count)
  local lease = read_fields(lease_key, 'first_pending', 'waits_until_ms')
  if not lease.waits_until_ms or tonumber(lease.first_pending) < count then return nil end
  return lease.waits_until_ms
end

-- End the lease of a batch. Messages that are sending become in doubt. Pending messages wait for the batch's next turn:
-- the batch goes into the campaign's redo list, or into the sender's `blocked` if all of them wait for copies. Returns
-- how many messages became in doubt.
local function reclaim(id, campaign_key, batch_number, now)
  local messages_key, member = key_of_batch(campaign_key, MESSAGES, batch_number), batch_member(id, batch_number)
  local count = batch_count(campaign_key, batch_number)
  check_records(messages_key, count)
  local states, in_doubt = mark_in_doubt(campaign_key, messages_key, batch_number, count, now)
  local waits_until_ms = copies_decide_ms(key_of_batch(campaign_key, LEASE, batch_number), count)
  drop_lease(campaign_key, batch_number, member)
  if string.find(states, PENDING, 1, true) then
    if waits_until_ms then
      redis.call('ZADD', key_of_sender('blocked'), waits_until_ms, member)
    else
      redis.call('LPUSH', key_of_redo(campaign_key), batch_number)
      queue_campaign(id, campaign_key)
    end
  end
  local due_ms = settle_due_ms(campaign_key, states, math.floor(now / 1000))
  -- A message that was pushed under an earlier lease may be due sooner.
  if due_ms then redis.call('ZADD', key_of_sender('settle_due'), 'LT', due_ms, member) end
  finish_if_done(id, campaign_key, now)
  return in_doubt
end
