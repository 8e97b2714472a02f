-- uses: names keys states records rotation campaigns
-- Taking a batch back from a worker, which released it or died.

-- The code of a message that became in doubt because its worker was lost; Failure.WORKER_LOST in provider/failures.py.
local WORKER_LOST = 13

-- Return when upkeep must look at a batch again (epoch, ms): at messages in doubt when the validity ends, at accepted
-- messages when their report is overdue. Returns false if no message is in either state.
local function next_look_ms(campaign_key, states, now_ms)
  local campaign = read_fields(campaign_key, 'until_ms', 'report_wait_ms')
  local look_ms = false
  if string.find(states, ACCEPTED, 1, true) then look_ms = now_ms + tonumber(campaign.report_wait_ms) end
  if string.find(states, IN_DOUBT, 1, true) then
    local doubt_ends_ms = math.max(tonumber(campaign.until_ms), now_ms)
    if not look_ms or doubt_ends_ms < look_ms then look_ms = doubt_ends_ms end
  end
  return look_ms
end

-- Put in doubt what is still sending: nobody can say what became of it. Returns the states afterwards, and how many
-- changed.
local function doubt_sending(campaign_key, messages_key, number, count)
  local states = redis.call('GETRANGE', messages_key, 0, count - 1)
  if states == '' then return string.rep(state_without_records(campaign_key, number), count), 0 end
  local doubted = 0
  local at = string.find(states, SENDING, 1, true)
  while at do
    redis.call('SETRANGE', messages_key, at - 1, IN_DOUBT)
    local first = record_range(count, at - 1)
    redis.call('SETRANGE', messages_key, first + CODE_OFFSET, struct.pack('>I2', WORKER_LOST))
    doubted = doubted + 1
    at = string.find(states, SENDING, at + 1, true)
  end
  if doubted > 0 then
    states = string.gsub(states, SENDING, IN_DOUBT)
    redis.call('HINCRBY', campaign_key, SENDING, -doubted)
    redis.call('HINCRBY', campaign_key, IN_DOUBT, doubted)
    redis.call('HINCRBY', key_of_codes(campaign_key), 'push:' .. WORKER_LOST, doubted)
  end
  return states, doubted
end

-- Drop the lease of a batch, and the batch's place in the window.
local function drop_lease(campaign_key, number, member)
  redis.call('ZREM', key_of_sender('leases'), member)
  leave_window(campaign_key, member)
  redis.call('DEL', key_of_batch(campaign_key, LEASE, number))
end

-- Return when to try a batch again of which all that is pending waits for copies of other campaigns (epoch, ms); nil if
-- something else of it is pending.
local function copies_decide_ms(lease_key, count)
  local lease = read_fields(lease_key, 'first_pending', 'waits_until_ms')
  if not lease.waits_until_ms or tonumber(lease.first_pending) < count then return nil end
  return lease.waits_until_ms
end

-- End the lease of a batch. What is still sending becomes in doubt. What is pending waits in the campaign's redo list
-- for the batch's next turn, or in the sender's blocked for what becomes of copies. Returns how many messages became in
-- doubt.
local function reclaim(id, campaign_key, number, now)
  local messages_key, member = key_of_batch(campaign_key, MESSAGES, number), batch_member(id, number)
  local count = batch_count(campaign_key, number)
  check_records(messages_key, count)
  local states, doubted = doubt_sending(campaign_key, messages_key, number, count)
  local waits_until_ms = copies_decide_ms(key_of_batch(campaign_key, LEASE, number), count)
  drop_lease(campaign_key, number, member)
  if string.find(states, PENDING, 1, true) then
    if waits_until_ms then
      redis.call('ZADD', key_of_sender('blocked'), waits_until_ms, member)
    else
      redis.call('LPUSH', key_of_redo(campaign_key), number)
      queue_campaign(id, campaign_key)
    end
  end
  local look_ms = next_look_ms(campaign_key, states, math.floor(now / 1000))
  -- What an earlier owner of the batch sent may be due before.
  if look_ms then redis.call('ZADD', key_of_sender('due'), 'LT', look_ms, member) end
  finish_if_done(id, campaign_key, now)
  return doubted
end
