-- uses: names keys memory clock states records spans rotation campaigns providers pacing paces budget suppression
-- uses: statistics provider_choice
--
-- Open a block: mark pending messages of a batch as sending, for the worker that holds the lease of the batch. No other
-- script makes a message sending, so every condition that forbids sending is checked here, except for the opt-out list,
-- which is in another hash slot of a Redis Cluster. Messages that a frequency cap forbids are suppressed. A message is
-- passed over while another campaign's message to the same phone (a copy) is sending or in doubt, because the cap
-- depends on whether the copy was sent. Safe to repeat: the same operation gets the same block again, so after a lost
-- reply the worker still gets the block, and pushes its messages. An earlier call that is repeated late opens nothing.
--
-- Arguments
--   campaign, batch_number  the batch: the id of its campaign, and its number from 0
--   token                   the fencing token of the worker's lease
--   operation               the id of this opening
--   last_block              the number of the last block that the worker got under this token; -1 if the worker does
--                           not pass the number
--   max_messages            how many messages the block may have
--   ahead_us                how far ahead of the clock send times are given out, in microseconds: the duration of a
--                           round trip of the worker, at most MAX_AHEAD_US
--   delay_us                how much later than the send times the worker can push, in microseconds: the time until a
--                           reply arrives
--   tolerance_us            how far in the past a send time may be when a message gets it, in microseconds
--   digest                  the digest of the registered text, 8 hex digits
--   repeat_after_s          for how long the same text may not be sent to a phone again, in seconds; 0: no limit
--   max_per_phone           how many messages a phone may get within period_s; 0: no limit
--   period_s                the period of max_per_phone, in seconds
--   fingerprints            the fingerprints of (phone, text), 6 bytes each, for a stretch of the batch: only messages
--                           of this stretch are opened; empty without these limits
--   first_index             where the stretch begins in the batch
--   phones                  the phone of each message of the stretch, joined by blanks; empty without max_per_phone
--   lost                    the providers that the worker cannot reach, joined by blanks; usually empty
--   tried                   a provider that the worker may reach again: the block has one message; usually empty
-- Reply: status is one of
--   opened   block: the messages, packed as PACKED_HEAD and PACKED_MESSAGE say; there may be no message
--   outside  the first pending message is not in the stretch; first_pending: its index
--   wait     ms: no message of the batch may be sent for this time; reason: a WaitReason
--   drained  no message of the batch is pending
--   closed   reason: a CloseReason, or the campaign's state; the worker has to release the batch
--   lost     the lease went to another worker, or the worker got a later block since this call
-- Keys: campaign, lease, messages, parts and codes of the batch; the sender's hash, batches_out, rotation and changed,
--   its recent_texts and recent_phones with all keys below them; the sender's other campaigns, if this campaign has to
--   wait for its providers, and the messages of other campaigns whose entries are found.
-- Atomic: the checks, the send times, the parts of the budgets, the states of the messages and their entries.
-- Cost: O(messages of the block, and of the stretch if messages are suppressed); at most ten look-ups for each message
--   if other campaigns used its text lately; one byte is scanned for each message of the batch; one command for each
--   provider that is passed over.
--
-- lib/pacing.lua and lib/paces.lua explain send times and costs, lib/providers.lua explains chains,
-- lib/provider_choice.lua explains probes, lib/rotation.lua explains rotation, groups and batches out,
-- lib/frequency.lua explains entries, and ledger/keys.py explains every field.
--
-- Execution starts at fail_if_memory_is_full(), below the functions.

-- The packed block. The head: number of the block, the clock in microseconds since the epoch, time from this clock to
-- the first send time in microseconds, time per unit of cost in microseconds, how many microseconds after its send time
-- each message is pushed, index of the provider in the campaign's chain, the index from which the next block is
-- searched, how many messages were suppressed. Then for each message: index in the batch, attempt. The block is packed,
-- because a name for each value of each message would make the reply several times as long.
local PACKED_HEAD = '>I2ddddI1I4I2'
local PACKED_MESSAGE = '>I2I1'
-- At most this many other campaigns are checked, to find a campaign that can send while this campaign waits for its
-- providers.
local MAX_OTHERS = 100
-- How long a worker waits for SMS parts that messages in the state sending may return.
local PARTS_WAIT_MS = 200
-- The turn of a campaign: a batch is out for at most this time while other campaigns of its group wait. Without a rate
-- limit the turn is longer, because releasing a batch and taking it again costs a worker as much as some pushes.
local TURN_MS = 2000
local UNPACED_TURN_MS = 10000
-- A batch that will end within about this time is not interrupted.
local REST_US = 1000000

local args = arguments({'campaign', 'batch_number', 'token', 'operation', 'last_block', 'max_messages', 'ahead_us',
  'delay_us', 'tolerance_us', 'digest', 'repeat_after_s', 'max_per_phone', 'period_s', 'fingerprints', 'first_index',
  'phones', 'lost', 'tried'})
local id, batch_number = args.campaign, args.batch_number
local ahead_us, tolerance_us = math.min(args.ahead_us, MAX_AHEAD_US), tonumber(args.tolerance_us)
local campaign_key, sender_key = key_of_campaign(id), key_of_sender('sender')
local lease_key = key_of_batch(campaign_key, LEASE, batch_number)
local messages_key = key_of_batch(campaign_key, MESSAGES, batch_number)

local now = now_us()
local now_ms = math.floor(now / 1000)
local today = day_of(now_ms)

local function wait(ms, reason)
  return reply({status = 'wait', ms = math.ceil(ms), reason = reason})
end

local function closed(reason)
  return reply({status = 'closed', reason = reason})
end

-- Say whether the ledger lost blocks that the worker got (a power cut, a failover): the ledger counts fewer blocks than
-- the worker. The ledger no longer knows which messages the worker pushed, so the worker gets no more blocks under this
-- token.
local function has_lost_blocks(last_block)
  local last_given = tonumber(args.last_block)
  return last_given >= 0 and is_later_block(last_given, tonumber(last_block))
end

-- Say whether this call is repeated late: after the first call the worker got a later block, and passed its number when
-- it opened the next block.
local function is_repeated_late(worker_block)
  local last_given, newest_given = tonumber(args.last_block), tonumber(worker_block or '-1')
  return last_given >= 0 and newest_given >= 0 and is_later_block(newest_given, last_given)
end

-- Reply that no provider can take a message before `soonest_us`. If another campaign can send meanwhile, the reply
-- makes the worker release a batch that has to wait for long, so that a batch of the other campaign can be issued.
-- `silent` lists the sender's silent providers, joined by blanks.
local function no_provider(soonest_us, silent)
  if not soonest_us then return closed('provider_braked') end
  local others, rotation_key = {}, turn_group_of(campaign_key).rotation
  if soonest_us > now + SOON_US then others = redis.call('ZRANGE', rotation_key, 0, MAX_OTHERS - 1) end
  local known_chains = {}
  for _, other in ipairs(others) do
    local of_other = read_fields(key_of_campaign(other), 'chain', 'promotional')
    local avoided = avoided_providers(of_other, silent)
    local can_take = not of_other.chain
      or can_take_or_block(other, rotation_key, of_other.chain, now, avoided, known_chains)
    if can_take then return closed('backing_off') end
  end
  return wait((soonest_us - now) / 1000, 'backing_off')
end

-- Return how far ahead of the clock this batch may get a send time of its sender's pace. While an urgent batch is out,
-- other batches get no send time ahead of the clock, so only the urgent batch can claim the next send times early.
local function max_ahead_of(campaign, main)
  if main.per_unit_us == 0 or campaign.urgent == '1' then return ahead_us end
  return redis.call('SCARD', key_of_sender('batches_out:urgent')) == 0 and ahead_us or 0
end

-- Suppress the messages that a frequency cap forbids. A message whose earlier attempt is in doubt is given up, because
-- the state suppressed would say that the message was never sent. A message whose earlier attempt failed is failed
-- again.
local function suppress(checks, count, block_number)
  local indexes, by_code, given_up, failed_again = checks.suppressed, {}, 0, 0
  if #indexes == 0 then return end
  local first, last = unpack(indexes), indexes[#indexes]
  local span = read_span(messages_key, count, first, last)
  local statistics = message_statistics(campaign_key, tonumber(batch_number), read_for_statistics(campaign_key))
  for position, index in ipairs(indexes) do
    local code = checks.codes[position]
    local _, attempt, block, old_code, sent, reported_s, transaction = span.get(index)
    if reported_s > 0 then
      span.put(index, FAILED, attempt - 1, block, old_code, sent, reported_s, transaction)
      statistics.change(index, PENDING, 0, 0, 0, FAILED, old_code, sent, reported_s)
      redis.call('HINCRBY', key_of_codes(campaign_key), 'report:' .. old_code, 1)
      failed_again = failed_again + 1
    else
      local was_pushed = attempt > 0
      local state = was_pushed and GIVEN_UP or SUPPRESSED
      span.put(index, state, was_pushed and attempt - 1 or attempt, block_number, code, sent, 0, NO_TRANSACTION)
      statistics.change(index, PENDING, 0, 0, 0, state, code, sent, 0)
      if was_pushed then given_up = given_up + 1 end
      by_code[code] = (by_code[code] or 0) + 1
    end
  end
  span.write()
  statistics.write(now_ms)
  redis.call('HINCRBY', campaign_key, SUPPRESSED, #indexes - given_up - failed_again)
  if failed_again > 0 then redis.call('HINCRBY', campaign_key, FAILED, failed_again) end
  redis.call('HINCRBY', campaign_key, GIVEN_UP, given_up)
  for code, messages in pairs(by_code) do
    redis.call('HINCRBY', key_of_codes(campaign_key), 'suppressed:' .. code, messages)
  end
end

-- Say whether the batch was out for the whole turn of its campaign while another campaign of its group waits. The turn
-- of a batch without an opened block is not over.
local function is_turn_over(lease, main, own)
  local worked_ms = now_ms - tonumber(lease.taken_ms or '0')
  local turn_ms = main.per_unit_us > 0 and TURN_MS or UNPACED_TURN_MS
  if not lease.operation or (worked_ms >= 0 and worked_ms < turn_ms) then return false end
  local group = turn_group_of(campaign_key)
  local first, second = unpack(redis.call('ZRANGE', group.rotation, 0, 1))
  if not second and (not first or first == id) then return false end
  local per_unit_us = math.max(main.per_unit_us * redis.call('SCARD', group.batches_out), own and own.per_unit_us or 0)
  local rest_us = (tonumber(lease.count) - tonumber(lease.first_pending)) * per_unit_us
  return main.per_unit_us == 0 or rest_us > REST_US
end

-- Choose the messages of the block, and advance the next send times of its paces. `options` is a table:
--   states         the states of the batch's messages
--   position       the position in `states` of the first pending message, from 1
--   max_messages   how many messages the block may have
--   part_counts    the SMS parts of each message of the batch, one byte each; false if each has one part
--   costs          the cost of each message, one byte each; false if each costs one unit
--   main, own      the paces, see lib/paces.lua
--   max_parts      how many SMS parts the block may have
--   checks         the checks of the stretch, see stretch_checks; nil without checks
-- Returns a table:
--   indexes        the chosen messages in ascending order
--   last_cost      the cost of the last chosen message
--   parts          the parts of all chosen messages
--   too_large      the parts of the message that exceeded max_parts; false if no message did
--   next_position  the position of the first pending message that was not examined; nil if there is none
local function choose_messages(options)
  local find, byte, states, main, own = string.find, string.byte, options.states, options.main, options.own
  local part_counts, costs, checks = options.part_counts, options.costs, options.checks
  local max_messages, max_parts, last_us = options.max_messages, options.max_parts, now + main.max_ahead_us
  local first_send_time_us, per_unit_us = main.send_time_us, main.per_unit_us
  local send_time_us, own_send_time_us = first_send_time_us, own and own.send_time_us
  local indexes, chosen, all_costs, cost, parts, part_count, too_large = {}, 0, 0, 0, 0, 1, false
  local last_position = checks and checks.last_index + 1 or #states
  -- The checks are made only if they can forbid a message.
  local forbidding = checks and (checks.of_phones or #checks.of_texts.lookups > 0) and checks
  local position = options.position
  while position and position <= last_position and chosen < max_messages and send_time_us <= last_us do
    if own and own_send_time_us > now then break end
    if not forbidding or may_be_sent(forbidding, position - 1) then
      if part_counts then part_count = byte(part_counts, position) end
      if parts + part_count > max_parts then
        too_large = part_count
        break
      end
      chosen = chosen + 1
      indexes[chosen] = position - 1
      parts = parts + part_count
      cost = costs and byte(costs, position) or 1
      all_costs = all_costs + cost
      send_time_us = first_send_time_us + all_costs * per_unit_us
      if own then own_send_time_us = own_send_time_us + cost * own.per_unit_us end
    end
    position = find(states, PENDING, position + 1, true)
  end
  main.send_time_us = send_time_us
  if own then own.send_time_us = own_send_time_us end
  return {indexes = indexes, last_cost = cost, parts = parts, too_large = too_large, next_position = position}
end

-- Reply that the next message has more parts than are left of the campaign's budget or of the sender's daily cap.
local function no_parts_left(campaign, part_count, budget_left)
  -- A message that is sending may become rejected or suppressed, and then returns its parts.
  if tonumber(campaign[SENDING]) > 0 then return wait(PARTS_WAIT_MS, 'campaign_limit') end
  mark_changed(id)
  if part_count > budget_left then
    brake_campaign(id, campaign_key, 'budget_spent', campaign.max_parts)
    return closed('budget_spent')
  end
  redis.call('HSET', sender_key, 'full_day', today)
  return closed('day_used_up')
end

-- Note on the lease when the messages that were passed over are to be examined again.
local function note_wait(noted_ms, again_ms)
  redis.call('HSET', lease_key, 'waits_until_ms', math.min(tonumber(noted_ms or nil) or again_ms, again_ms))
end

-- Mark the messages of a block as sending, and append each message to the list `packed`. Messages that stand next to
-- each other (a run) are written together. `block` is a table:
--   indexes           the messages of the block
--   costs             the cost of each message of the batch, one byte each; false if each costs one unit
--   number            the number of the block
--   since_created     the time since the campaign's creation, with the index of the provider, as in the records
--   starts_in_us      the time from now to the first send time
--   per_unit_us       the time between two send times for each unit of cost
local function mark_sending(packed, block, count)
  local byte, pack, unpack_record, max, floor = string.byte, struct.pack, struct.unpack, math.max, math.floor
  local indexes, costs, number, since_created = block.indexes, block.costs, block.number, block.since_created
  local starts_in_us, per_unit_us = block.starts_in_us, block.per_unit_us
  local run, all_costs = 1, 0
  while run <= #indexes do
    local last = run
    while last < #indexes and indexes[last + 1] == indexes[last] + 1 do last = last + 1 end
    local first, size = indexes[run], last - run + 1
    local start = record_range(count, first)
    local old_records = redis.call('GETRANGE', messages_key, start, start + size * WIDTH - 1)
    local new_records = {}
    for offset = 0, size - 1 do
      local attempt = byte(old_records, offset * WIDTH + 1)
      -- A message whose earlier attempt failed keeps the code and the time of that report, see lib/retries.lua.
      local code, reported_s = 0, 0
      if attempt > 0 then
        local _, _, old_code, _, old_reported_s = unpack_record(RECORD, old_records, offset * WIDTH + 1)
        if old_reported_s > 0 then code, reported_s = old_code, old_reported_s end
      end
      local sent = since_created + max(0, floor((starts_in_us + all_costs * per_unit_us) / 1000))
      all_costs = all_costs + (costs and byte(costs, first + offset + 1) or 1)
      new_records[offset + 1] = pack(RECORD, attempt, number, code, sent, reported_s, NO_TRANSACTION)
      packed[#packed + 1] = pack(PACKED_MESSAGE, first + offset, attempt)
    end
    redis.call('SETRANGE', messages_key, first, string.rep(SENDING, size))
    redis.call('SETRANGE', messages_key, start, table.concat(new_records))
    run = last + 1
  end
end

fail_if_memory_is_full()
local lease = read_fields(lease_key, 'token', 'operation', 'opened_block', 'first_pending', 'last_block', 'count',
  'taken_ms', 'waits_until_ms', 'worker_block')
if lease.token ~= args.token then return reply({status = 'lost'}) end
if lease.operation == args.operation then return reply({status = 'opened', block = lease.opened_block}) end
if has_lost_blocks(lease.last_block) then return closed('blocks_lost') end
if is_repeated_late(lease.worker_block) then return reply({status = 'lost'}) end

local campaign = read_fields(campaign_key, 'state', 'start_ms', 'until_ms', 'rate', 'last_send_time_us',
  'last_send_time_cost', 'delay_ends_us', 'cost_unit', 'created_ms', 'first_sent_ms', 'chain', 'send_window_opens_ms',
  'send_window_closes_ms', 'max_parts', 'parts_out', 'batch_size', 'urgent', 'promotional', 'last_sent_ms',
  'sent_days_until_ms', PENDING, SENDING)
local reason = why_closed(campaign, now_ms)
if reason then return closed(reason) end

-- One command reads the hash of the sender, with the fields of the first provider.
local first_provider = string.match(campaign.chain, '%S+')
local sender = read_fields(sender_key, 'rate', 'last_send_time_us', 'last_send_time_cost', 'delay_ends_us', 'paused',
  'max_parts_per_day', 'day', 'day_parts', provider_field('brake', first_provider),
  provider_field('back_off_until_us', first_provider), provider_field('back_off_count', first_provider),
  provider_field('probe_us', first_provider), 'silent')
if sender.paused == '1' then return closed('sender_paused') end
local silent = sender.silent or ''
local avoided = avoided_providers(campaign, silent)
local provider = choose_provider(campaign.chain, first_provider, sender, avoided, args, now)
if provider.out_of_reach then return closed('out_of_reach') end
if not provider.chain_index then return no_provider(provider.soonest_us, silent) end

local count = tonumber(lease.count)
check_records(messages_key, count)
local states = redis.call('GETRANGE', messages_key, 0, count - 1)
local position = string.find(states, PENDING, tonumber(lease.first_pending) + 1, true)
if not position then
  redis.call('HSET', lease_key, 'first_pending', count)
  mark_not_out(campaign_key, batch_member(id, batch_number))
  if lease.waits_until_ms then return closed('copy_on_its_way') end
  return reply({status = 'drained'})
end

local hashes = {campaign = campaign, campaign_key = campaign_key, sender = sender, sender_key = sender_key}
local main = main_pace(hashes, now, tolerance_us, tonumber(args.delay_us))
local own = own_pace(hashes, now, ahead_us + tolerance_us)
main.max_ahead_us = max_ahead_of(campaign, main)
local is_early = main.send_time_us > now + main.max_ahead_us
local smallest_size = lease.operation and tonumber(campaign.batch_size) or 1
if is_turn_over(lease, main, own) or (is_early and is_surplus(campaign_key, sender.rate, smallest_size)) then
  end_turn(id, campaign_key, batch_member(id, batch_number))
  return closed('turn_over')
end
if own and own.send_time_us > now then return wait((own.send_time_us - now) / 1000, 'campaign_limit') end
local first_send_time_us = main.send_time_us
if is_early then
  return wait(math.max(1, (first_send_time_us - now - main.max_ahead_us) / 1000), 'rate_limit')
end

local checks = stretch_checks(args, campaign.batch_size, math.floor(now / 1000000))
if checks and (position <= checks.first_index or position > checks.last_index + 1) then
  return reply({status = 'outside', first_pending = position - 1})
end

local left = parts_left(campaign, sender, today)
local part_counts = redis.call('GET', key_of_batch(campaign_key, PARTS, batch_number))
local costs = campaign.cost_unit == 'parts' and part_counts
local is_probe = provider.probed or provider.silent_probe or provider.is_tried
local chosen = choose_messages({
  states = states, position = position, max_messages = is_probe and 1 or tonumber(args.max_messages),
  part_counts = part_counts, costs = costs, main = main, own = own, max_parts = math.min(left.of_budget, left.of_day),
  checks = checks,
})
local indexes = chosen.indexes
if #indexes == 0 and chosen.too_large then return no_parts_left(campaign, chosen.too_large, left.of_budget) end

-- All steps that can fail because of damaged fields come before the first write.
local suppressed = checks and #checks.suppressed or 0
local pending, sending = campaign[PENDING] - #indexes - suppressed, campaign[SENDING] + #indexes
local next_index = chosen.next_position and chosen.next_position - 1 or count
local parts_out = campaign.parts_out + chosen.parts
local block = {
  number = (tonumber(lease.last_block) + 1) % BLOCK_NUMBERS, indexes = indexes, costs = costs,
  starts_in_us = first_send_time_us - now, per_unit_us = main.per_unit_us,
  since_created = provider.chain_index * PROVIDER_UNIT + time_since_created(campaign.created_ms, now_ms),
}
local head = struct.pack(PACKED_HEAD, block.number, now, block.starts_in_us, block.per_unit_us, main.delay_us,
  provider.chain_index, next_index, suppressed)
local packed = {head}
if checks then suppress(checks, count, block.number) end
mark_sending(packed, block, count)
if checks and #indexes > 0 then add_entries(checks, indexes, messages_key, count) end
local opened_block = table.concat(packed)
redis.call('HSET', lease_key, 'operation', args.operation, 'opened_block', opened_block, 'first_pending', next_index,
  'last_block', block.number, 'worker_block', args.last_block)
if checks and checks.waits_ms < math.huge then note_wait(lease.waits_until_ms, now_ms + checks.waits_ms) end
mark_changed(id)
if #indexes == 0 then
  redis.call('HSET', campaign_key, PENDING, pending)
  return reply({status = 'opened', block = opened_block})
end
-- If an earlier version opened the last block, the statistics kept no day of it: then the mark stays where it is.
local keeps_days = campaign.sent_days_until_ms == (campaign.last_sent_ms or '0')
redis.call('HSET', campaign_key, PENDING, pending, SENDING, sending, 'parts_out', parts_out,
  'first_sent_ms', campaign.first_sent_ms or now_ms, 'last_sent_ms', now_ms,
  'sent_days_until_ms', keeps_days and now_ms or campaign.sent_days_until_ms or '')
if main.key then
  keep_send_time(main.key, main.send_time_us, chosen.last_cost, main.per_unit_us)
  keep_delay(main.key, main.delay_us, tonumber(args.delay_us), now)
end
if own then keep_send_time(own.key, own.send_time_us, chosen.last_cost, own.per_unit_us) end
spend_parts_of_day(sender, today, chosen.parts)
if provider.probed then note_probe(provider.probed, now) end
if provider.silent_probe then note_silence_probe(provider.silent_probe, now) end
return reply({status = 'opened', block = opened_block})
