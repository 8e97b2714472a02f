-- uses: names keys memory clock hours damage rotation campaigns providers
--
-- Hand out batches of a sender until its window is full, in turn among its campaigns. The caller wakes a worker for
-- each batch.
--
-- Arguments
--   window_s           the batches that are out shall hold the sender's messages of this many seconds
--   unlimited_batches  how many batches are out for a sender, or a campaign, without a limit
--   lease_ms           a batch that no worker takes within this time is handed out again
--   host_ms            the caller's own clock (epoch, milliseconds): while Redis' clock is more than a minute from it,
--                      no campaign starts by its time, and no start counts as missed
-- Reply
--   ready    a list of replies, one for each batch that was handed out: campaign, number, batches, name, urgent
--   damaged  a list of replies, one for each campaign that cannot be handed out: campaign, error
-- Keys: the sender's pace, rotations, windows, waiting, blocked, leases, ends and changed; each campaign in turn with
-- its redo list.
-- Atomic: a batch is handed out once; a window never holds more than its limit.
-- Cost: O(batches handed out + campaigns whose time has come + campaigns that leave the rotation).
-- A damaged campaign is braked, looked at again after a while, and costs the other campaigns nothing.

-- Campaigns with a limit of their own have a window of their own; so many of their batches are out at most, for one
-- sender.
local MAX_OWN_BATCHES = 64
-- So many campaigns leave the rotation per call because none of their providers can take anything.
local MAX_BLOCKED = 500
-- So many campaigns whose time has come are put into the rotation per call.
local MAX_WAITING = 100
-- A start is missed when nobody came by for this long after it: a worker or upkeep comes by every second.
local MISSED_AFTER_MS = 60000
-- MAX_DIFFERENCE_S in ledger/redis_clock.py.
local MAX_CLOCK_DIFFERENCE_MS = 60000

local args = arguments({'window_s', 'unlimited_batches', 'lease_ms', 'host_ms'})
local window_s, lease_ms = tonumber(args.window_s), tonumber(args.lease_ms)
local unlimited_batches = tonumber(args.unlimited_batches)
local waiting_key, leases_key = key_of_sender('waiting'), key_of_sender('leases')
local pace_key = key_of_sender('pace')
local now = now_us()
local now_ms = math.floor(now / 1000)
local ready, damaged = {}, {}

-- Leave out a campaign that cannot be handed out.
local function leave_out(id, failure)
  -- If the key holds no campaign at all, this fails as well.
  pcall(brake_campaign, id, key_of_campaign(id), 'damaged')
  unqueue_campaign(id)
  redis.call('ZADD', waiting_key, now_ms + DAMAGED_MS, id)
  mark_changed(id)
  damaged[#damaged + 1] = reply({campaign = id, error = error_text(failure)})
end

-- Return since when (epoch, milliseconds) there were calls without a gap that found campaigns whose time had come. One
-- call starts MAX_WAITING of them: the others were not missed, they wait for the calls after it.
local function coming_by_since(due)
  local pace = read_fields(pace_key, 'starts_since_ms', 'starts_until_ms')
  local gap_ms = now_ms - tonumber(pace.starts_until_ms or '0')
  local since_ms = gap_ms >= 0 and gap_ms <= MISSED_AFTER_MS and tonumber(pace.starts_since_ms) or now_ms
  if #due == MAX_WAITING then
    redis.call('HSET', pace_key, 'starts_since_ms', since_ms, 'starts_until_ms', now_ms)
  elseif pace.starts_until_ms then
    redis.call('HDEL', pace_key, 'starts_since_ms', 'starts_until_ms')
  end
  return since_ms
end

-- Do what the campaign says if its start was missed, and return whether that keeps it from starting.
local function is_kept_from_start(id, campaign_key, since_ms)
  local campaign = read_fields(campaign_key, 'missed_start', 'start_ms', 'state')
  if not campaign.missed_start then return false end
  redis.call('HDEL', campaign_key, 'missed_start')
  if campaign.state ~= 'running' or since_ms - tonumber(campaign.start_ms) <= MISSED_AFTER_MS then return false end
  if campaign.missed_start == 'skip' then
    redis.call('HSET', campaign_key, 'state', 'cancelled', 'reason', 'missed_start_skipped')
    redis.call('ZADD', key_of_sender('ends'), 0, id)
    index_as_ended(id, campaign_key)
  else
    redis.call('HSET', campaign_key, 'state', 'paused', 'reason', 'missed_start_asks',
      'held_us', string.format('%.0f', now))
  end
  mark_changed(id)
  return true
end

local function end_wait(id, since_ms)
  local campaign_key = key_of_campaign(id)
  if not is_kept_from_start(id, campaign_key, since_ms) then queue_campaign(id, campaign_key) end
end

-- Put the campaigns whose time has come into the rotation.
local function end_waits()
  local due = redis.call('ZRANGEBYSCORE', waiting_key, '-inf', now_ms, 'LIMIT', 0, MAX_WAITING)
  if #due == 0 then return end
  local since_ms = coming_by_since(due)
  for _, id in ipairs(due) do
    redis.call('ZREM', waiting_key, id)
    local is_sound, failure = pcall(end_wait, id, since_ms)
    if not is_sound then leave_out(id, failure) end
  end
end

-- Look again at a campaign, or at a batch of it (`number`) that waited for copies of other campaigns.
local function end_block(id, number)
  local campaign_key = key_of_campaign(id)
  if number then
    -- A cancelled or finished campaign has nothing left to hand out.
    local state = redis.call('HGET', campaign_key, 'state')
    if state == 'cancelled' or state == 'finished' then return end
    redis.call('LPUSH', key_of_redo(campaign_key), number)
  end
  queue_campaign(id, campaign_key)
end

-- Put campaigns back into the rotation that may be able to send something again.
local function end_blocks()
  local blocked_key, latest_ms = key_of_sender('blocked'), now_ms + MAX_BLOCKED_US / 1000
  local over = redis.call('ZRANGEBYSCORE', blocked_key, '-inf', now_ms, 'LIMIT', 0, MAX_BLOCKED)
  -- Nothing waits longer than this, unless the clock was set back.
  local too_late = redis.call('ZRANGEBYSCORE', blocked_key, '(' .. latest_ms, '+inf', 'LIMIT', 0, MAX_BLOCKED)
  for _, members in ipairs({over, too_late}) do
    for _, member in ipairs(members) do
      redis.call('ZREM', blocked_key, member)
      local id, number = split_batch_member(member)
      local is_sound, failure = pcall(end_block, id or member, number)
      if not is_sound then leave_out(id or member, failure) end
    end
  end
end

-- Return how many batches of this size may be out at a rate.
local function max_batches_out(rate, batch_size)
  if not rate or rate <= 0 then return unlimited_batches end
  return math.max(2, math.ceil(window_s * rate / batch_size) + 1)
end

-- Hand out the next batch of a campaign: one that has to be done again, or else the next that was never out.
local function hand_out_batch(id, campaign_key, campaign)
  local next_batch, batches = tonumber(campaign.next_batch), tonumber(campaign.batches)
  local name = cjson.decode(campaign.plan).name
  local number = tonumber(redis.call('LPOP', key_of_redo(campaign_key)) or nil)
  if not number and next_batch < batches then
    number = next_batch
    next_batch = redis.call('HINCRBY', campaign_key, 'next_batch', 1)
  end
  local member = number and batch_member(id, number)
  -- A batch may stand twice in the redo list: a batch that is out is not handed out again.
  if number and not redis.call('ZSCORE', leases_key, member) then
    redis.call('ZADD', leases_key, now_ms + lease_ms, member)
    enter_window(campaign_key, member)
    ready[#ready + 1] = reply({
      campaign = id, number = number, batches = batches, name = name, urgent = tonumber(campaign.urgent),
    })
  end
  if next_batch < batches or redis.call('EXISTS', key_of_redo(campaign_key)) == 1 then
    queue_campaign(id, campaign_key)
  end
end

-- Look at a campaign again after a while. Its validity or its hours are over by a clock that may be wrong: once the
-- clock is right, the campaign goes on, or upkeep has ended it or knows its next hours.
local function look_again(id)
  redis.call('ZADD', key_of_sender('blocked'), now_ms + MAX_BLOCKED_US / 1000, id)
end

local rate
local known_chains = {}

-- Give a campaign its turn, while `batches_out` batches of the sender are out and `max_out` may be (nil: as its rate
-- says). Returns 'full' if the window is full, 'blocked' if the campaign left the rotation because no provider can take
-- anything, 'done' otherwise.
local function take_turn(id, rotation_key, batches_out, max_out)
  local campaign_key = key_of_campaign(id)
  local campaign = read_fields(campaign_key, 'state', 'batch_size', 'rate', 'batches_out', 'next_batch', 'batches',
    'plan', 'start_ms', 'urgent', 'until_ms', 'chain', 'opens_ms', 'closes_ms')
  local batch_size, own_rate = tonumber(campaign.batch_size), tonumber(campaign.rate)
  local start_ms = tonumber(campaign.start_ms)
  if batches_out >= (max_out or max_batches_out(rate, batch_size)) then return 'full' end
  local is_over = tonumber(campaign.until_ms) <= now_ms
  local runs = campaign.state == 'running' and not is_over
  if runs and start_ms <= now_ms and not can_take_or_block(id, rotation_key, campaign.chain, now, known_chains) then
    return 'blocked'
  end
  redis.call('ZREM', rotation_key, id)
  if campaign.state ~= 'running' then return 'done' end
  if is_over then
    look_again(id)
  elseif start_ms > now_ms then
    redis.call('ZADD', waiting_key, start_ms, id)
  elseif is_outside_hours(campaign, now_ms) then
    if now_ms < tonumber(campaign.opens_ms) then
      redis.call('ZADD', waiting_key, campaign.opens_ms, id)
    else
      look_again(id)
    end
  elseif own_rate <= 0 or tonumber(campaign.batches_out) < max_batches_out(own_rate, batch_size) then
    hand_out_batch(id, campaign_key, campaign)
  end
  return 'done'
end

local blocked = 0

-- Give the campaigns of a lane their turns until its window is full.
local function hand_out(lane, max_out)
  local rotation_key, window_key = keys_of_lane(lane)
  local batches_out = redis.call('SCARD', window_key)
  while blocked < MAX_BLOCKED do
    local id = unpack(redis.call('ZRANGE', rotation_key, 0, 0))
    if not id then return end
    local ready_before = #ready
    local is_sound, outcome = pcall(take_turn, id, rotation_key, batches_out, max_out)
    if not is_sound then
      leave_out(id, outcome)
    elseif outcome == 'full' then
      return
    elseif outcome == 'blocked' then
      blocked = blocked + 1
    end
    batches_out = batches_out + #ready - ready_before
  end
end

ask_for_memory()
if math.abs(now_ms - tonumber(args.host_ms)) <= MAX_CLOCK_DIFFERENCE_MS then end_waits() end
end_blocks()
local pace = read_fields(pace_key, 'rate', 'paused', 'full_day')
if pace.paused ~= '1' and tonumber(pace.full_day) ~= day_of(now_ms) then
  rate = tonumber(pace.rate)
  hand_out(URGENT_LANE, nil)
  hand_out(COMMON_LANE, nil)
  hand_out(OWN_LANE, MAX_OWN_BATCHES)
end
return reply({ready = ready, damaged = damaged})
