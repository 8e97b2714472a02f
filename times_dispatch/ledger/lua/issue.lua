-- uses: names keys memory clock send_window damage rotation campaigns providers budget
--
-- Issue batches of a sender until enough batches are out; the campaigns of the sender take turns. The caller wakes a
-- worker for each batch.
--
-- Arguments
--   unlimited_batches  how many batches are out for a sender, or a campaign, without a rate limit
--   lease_ms           a batch that no worker takes within this time is issued again
--   host_ms            the caller's own clock (epoch, milliseconds): while Redis' clock differs by more than a
--                      minute, no campaign starts at its start time, and no start counts as missed
-- Reply
--   ready    a list of replies, one for each batch that was issued: campaign, batch_number, batches, name, urgent
--   damaged  a list of replies, one for each campaign whose batches cannot be issued: campaign, error
-- Keys: the sender's hash, rotations, batches_out, waiting, blocked, leases, validity_ends and changed; each campaign
--   in turn with its redo list.
-- Atomic: a batch is issued once; the number of batches out stays within the limit.
-- Cost: O(issued batches + campaigns whose time has come + campaigns that leave the rotation).
-- A damaged campaign is braked and tried again after a while, and does not delay other campaigns.

-- The batches out of campaigns with a limit of their own are counted separately; a sender has at most this many.
local MAX_OWN_BATCHES = 64
-- At most this many campaigns leave the rotation per call because none of their providers can take a message.
local MAX_BLOCKED = 500
-- At most this many campaigns whose time has come are put into the rotation per call.
local MAX_WAITING = 100
-- A start is missed if this script was not called for this long after the start; a worker or upkeep calls the script
-- every second.
local MISSED_AFTER_MS = 60000
-- The same limit as MAX_DIFFERENCE_S in ledger/redis_clock.py.
local MAX_CLOCK_DIFFERENCE_MS = 60000

local args = arguments({'unlimited_batches', 'lease_ms', 'host_ms'})
local unlimited_batches, lease_ms = tonumber(args.unlimited_batches), tonumber(args.lease_ms)
local waiting_key, leases_key = key_of_sender('waiting'), key_of_sender('leases')
local sender_key = key_of_sender('sender')
local now = now_us()
local now_ms = math.floor(now / 1000)
local ready, damaged = {}, {}

-- Brake a campaign whose batches cannot be issued because its data is damaged.
local function brake_damaged(id, failure)
  -- If the key does not hold a hash, this call fails as well.
  pcall(brake_campaign, id, key_of_campaign(id), 'damaged')
  unqueue_campaign(id)
  redis.call('ZADD', waiting_key, now_ms + DAMAGED_MS, id)
  mark_changed(id)
  damaged[#damaged + 1] = reply({campaign = id, error = error_text(failure)})
end

-- Return since when (epoch, milliseconds) every call of this script, without a gap, found campaigns whose start was
-- due. One call starts MAX_WAITING campaigns: the starts of the other campaigns are not missed, because these campaigns
-- wait for the next calls.
local function start_calls_since(due)
  local sender = read_fields(sender_key, 'starts_since_ms', 'starts_until_ms')
  local gap_ms = now_ms - tonumber(sender.starts_until_ms or '0')
  local since_ms = gap_ms >= 0 and gap_ms <= MISSED_AFTER_MS and tonumber(sender.starts_since_ms) or now_ms
  if #due == MAX_WAITING then
    redis.call('HSET', sender_key, 'starts_since_ms', since_ms, 'starts_until_ms', now_ms)
  elseif sender.starts_until_ms then
    redis.call('HDEL', sender_key, 'starts_since_ms', 'starts_until_ms')
  end
  return since_ms
end

-- If the start of a campaign was missed, apply the campaign's policy; return whether the campaign does not start.
local function skip_missed_start(id, campaign_key, since_ms)
  local campaign = read_fields(campaign_key, 'missed_start', 'start_ms', 'state')
  if not campaign.missed_start then return false end
  redis.call('HDEL', campaign_key, 'missed_start')
  if campaign.state ~= 'running' or since_ms - tonumber(campaign.start_ms) <= MISSED_AFTER_MS then return false end
  if campaign.missed_start == 'skip' then
    redis.call('HSET', campaign_key, 'state', 'cancelled', 'reason', 'missed_start_skipped')
    redis.call('ZADD', key_of_sender('validity_ends'), 0, id)
    index_as_ended(id, campaign_key)
  else
    redis.call('HSET', campaign_key, 'state', 'paused', 'reason', 'missed_start_asks',
      'stopped_us', string.format('%.0f', now))
  end
  mark_changed(id)
  return true
end

local function end_wait(id, since_ms)
  local campaign_key = key_of_campaign(id)
  if not skip_missed_start(id, campaign_key, since_ms) then queue_campaign(id, campaign_key) end
end

-- Put the campaigns whose start or send window has come into the rotation.
local function end_waits()
  local due = redis.call('ZRANGEBYSCORE', waiting_key, '-inf', now_ms, 'LIMIT', 0, MAX_WAITING)
  if #due == 0 then return end
  local since_ms = start_calls_since(due)
  for _, id in ipairs(due) do
    redis.call('ZREM', waiting_key, id)
    local is_sound, failure = pcall(end_wait, id, since_ms)
    if not is_sound then brake_damaged(id, failure) end
  end
end

-- End the wait of a campaign, or of a batch that waited for copies of other campaigns.
local function end_block(id, batch_number)
  local campaign_key = key_of_campaign(id)
  if batch_number then
    -- A cancelled or finished campaign has no batch left to issue.
    local state = redis.call('HGET', campaign_key, 'state')
    if state == 'cancelled' or state == 'finished' then return end
    redis.call('LPUSH', key_of_redo(campaign_key), batch_number)
  end
  queue_campaign(id, campaign_key)
end

-- Put campaigns back into the rotation that may be able to send messages again.
local function end_blocks()
  local blocked_key, latest_ms = key_of_sender('blocked'), now_ms + MAX_BLOCKED_US / 1000
  local over = redis.call('ZRANGEBYSCORE', blocked_key, '-inf', now_ms, 'LIMIT', 0, MAX_BLOCKED)
  -- No campaign and no batch waits longer than this, unless the clock was set back.
  local too_late = redis.call('ZRANGEBYSCORE', blocked_key, '(' .. latest_ms, '+inf', 'LIMIT', 0, MAX_BLOCKED)
  for _, members in ipairs({over, too_late}) do
    for _, member in ipairs(members) do
      redis.call('ZREM', blocked_key, member)
      local id, batch_number = split_batch_member(member)
      local is_sound, failure = pcall(end_block, id or member, batch_number)
      if not is_sound then brake_damaged(id or member, failure) end
    end
  end
end

-- Return how many batches of this size may be out at a rate.
local function max_batches_out(rate, batch_size)
  if not rate or rate <= 0 then return unlimited_batches end
  return batches_for_rate(rate, batch_size)
end

-- Issue the next batch of a campaign: the first of its redo list, or else the first batch that was never issued.
local function issue_batch(id, campaign_key, campaign)
  local next_batch, batches = tonumber(campaign.next_batch), tonumber(campaign.batches)
  local name = cjson.decode(campaign.plan).name
  local batch_number = tonumber(redis.call('LPOP', key_of_redo(campaign_key)) or nil)
  if not batch_number and next_batch < batches then
    batch_number = next_batch
    next_batch = redis.call('HINCRBY', campaign_key, 'next_batch', 1)
  end
  local member = batch_number and batch_member(id, batch_number)
  -- The redo list may hold a batch twice: a batch that is out is not issued again.
  if batch_number and not redis.call('ZSCORE', leases_key, member) then
    redis.call('ZADD', leases_key, now_ms + lease_ms, member)
    mark_out(campaign_key, member)
    ready[#ready + 1] = reply({
      campaign = id, batch_number = batch_number, batches = batches, name = name, urgent = tonumber(campaign.urgent),
    })
  end
  if next_batch < batches or redis.call('EXISTS', key_of_redo(campaign_key)) == 1 then
    queue_campaign(id, campaign_key)
  end
end

-- Check a campaign again after a while. Its validity or its send window is over by a clock that may be wrong. Once the
-- clock is right, the campaign continues, or upkeep has ended the campaign or set its next send window.
local function look_again(id)
  redis.call('ZADD', key_of_sender('blocked'), now_ms + MAX_BLOCKED_US / 1000, id)
end

local rate, silent
local known_chains = {}

-- Give a campaign its turn.
--   id            the campaign
--   rotation_key  the rotation of its group
--   batches_out   how many batches of the group are out
--   max_out       how many batches of the group may be out; nil: the sender's rate decides
-- Returns 'full' if enough batches are out, 'blocked' if the campaign left the rotation because no provider can take a
-- message, 'done' otherwise.
local function take_turn(id, rotation_key, batches_out, max_out)
  local campaign_key = key_of_campaign(id)
  local campaign = read_fields(campaign_key, 'state', 'batch_size', 'rate', 'batches_out', 'next_batch', 'batches',
    'plan', 'start_ms', 'urgent', 'until_ms', 'chain', 'send_window_opens_ms', 'send_window_closes_ms',
    'promotional')
  local batch_size, own_rate = tonumber(campaign.batch_size), tonumber(campaign.rate)
  local start_ms = tonumber(campaign.start_ms)
  if batches_out >= (max_out or max_batches_out(rate, batch_size)) then return 'full' end
  local is_over = tonumber(campaign.until_ms) <= now_ms
  local runs = campaign.state == 'running' and not is_over
  local avoided = avoided_providers(campaign, silent)
  if runs and start_ms <= now_ms
    and not can_take_or_block(id, rotation_key, campaign.chain, now, avoided, known_chains) then
    return 'blocked'
  end
  redis.call('ZREM', rotation_key, id)
  if campaign.state ~= 'running' then return 'done' end
  if is_over then
    look_again(id)
  elseif start_ms > now_ms then
    redis.call('ZADD', waiting_key, start_ms, id)
  elseif is_outside_send_window(campaign, now_ms) then
    local opens_ms = campaign.send_window_opens_ms
    if now_ms < tonumber(opens_ms) then
      redis.call('ZADD', waiting_key, opens_ms, id)
    else
      look_again(id)
    end
  elseif own_rate <= 0 or tonumber(campaign.batches_out) < max_batches_out(own_rate, batch_size) then
    issue_batch(id, campaign_key, campaign)
  end
  return 'done'
end

local blocked = 0

-- Give the campaigns of a group their turns until enough batches of the group are out.
local function issue_of_group(group, max_out)
  local keys = keys_of_group(group)
  local rotation_key, batches_out = keys.rotation, redis.call('SCARD', keys.batches_out)
  while blocked < MAX_BLOCKED do
    local id = unpack(redis.call('ZRANGE', rotation_key, 0, 0))
    if not id then return end
    local ready_before = #ready
    local is_sound, outcome = pcall(take_turn, id, rotation_key, batches_out, max_out)
    if not is_sound then
      brake_damaged(id, outcome)
    elseif outcome == 'full' then
      return
    elseif outcome == 'blocked' then
      blocked = blocked + 1
    end
    batches_out = batches_out + #ready - ready_before
  end
end

fail_if_memory_is_full()
if math.abs(now_ms - tonumber(args.host_ms)) <= MAX_CLOCK_DIFFERENCE_MS then end_waits() end
end_blocks()
local sender = read_fields(sender_key, 'rate', 'paused', 'full_day', 'silent')
silent = sender.silent or ''
if sender.paused ~= '1' and tonumber(sender.full_day) ~= day_of(now_ms) then
  rate = tonumber(sender.rate)
  issue_of_group(URGENT_GROUP, nil)
  issue_of_group(COMMON_GROUP, nil)
  issue_of_group(OWN_GROUP, MAX_OWN_BATCHES)
end
return reply({ready = ready, damaged = damaged})
