-- uses: names keys memory clock states records spans hours rotation campaigns providers pacing budget suppression
--
-- Open a block: mark pending messages of a batch as sending, for the worker that holds the lease of the batch. No other
-- script makes a message sending, so all that forbids to send is checked here, except for the opt-out list, which is in
-- another slot. Messages that may not go to their numbers are suppressed; messages that wait for what becomes of a copy
-- are passed over. Safe to repeat: the same operation gets the same block again, so an answer lost on the wire leaves
-- no messages in sending that nobody pushes.
--
-- Arguments
--   campaign, number  the batch: the id of its campaign, and its number from 0
--   token             the fencing token of the worker's lease
--   operation         the id of this opening
--   last_block        the number of the last block that the worker was given under this token; -1 if it does not say
--   max_messages      how many messages the block may have
--   ahead_us          how far ahead of the clock slots are given out, in microseconds, at most MAX_AHEAD_US: as long
--                     as the worker's next question takes to come
--   tolerance_us      how long after a slot a worker may ask for it and still get it, in microseconds
--   digest            of the registered text, 8 hex digits
--   repeat_after_s    how long the same text may not go to a number again; 0: no limit
--   max_to_number     how many messages a number may get within period_s; 0: no limit
--   period_s          seconds
--   fingerprints      of (number, text), 6 bytes each, for a stretch of the batch: only messages of this stretch are
--                     opened; empty without these limits
--   first_index       where the stretch begins in the batch
--   numbers           the number of each message of the stretch, joined by blanks; empty without max_to_number
-- Reply: status is one of
--   opened   block: the messages, packed as PACKED_HEAD and PACKED_MESSAGE say; there may be none
--   outside  the first pending message is not in the stretch; first_pending: its index
--   wait     ms: nothing may go for this time; reason: a WaitReason
--   drained  nothing of the batch is pending
--   closed   reason: a CloseReason, or the campaign's state; the worker shall release the batch
--   lost     the lease went to another worker
-- Keys: campaign, lease, messages, parts and codes of the batch; the sender's pace, window, rotation and changed, its
--   recent_texts and recent_numbers with all below them; the sender's other campaigns, if this one has to wait for its
--   providers, and their messages whose marks are found.
-- Atomic: the checks, the slots of the pace, the parts of the budgets, the states of the messages and their marks.
-- Cost: O(messages of the block, and of the stretch if messages are suppressed); at most ten look-ups for each message
-- if other campaigns used its text lately; one byte is scanned for each message of the batch; one command for each
-- provider that is passed over.
--
-- Slots and costs are explained in lib/pacing.lua, chains and probes in lib/providers.lua, window and rotation in
-- lib/rotation.lua, and every field in ledger/keys.py.
--
-- The course begins at ask_for_memory(), below the functions that are its steps.

-- A block as the worker gets it. The head: number of the block, time from now to the first slot in microseconds, time
-- per unit of cost in microseconds, index of the provider in the campaign's chain, the index from which the next block
-- is searched, how many messages were suppressed. Then for each message: index in the batch, attempt.
local PACKED_HEAD = '>I2ddI1I4I2'
local PACKED_MESSAGE = '>I2I1'
-- So many other campaigns are looked at, to know whether one of them can send while this one waits for its providers.
local MAX_OTHERS = 100
-- How long to wait for parts that messages in sending may give back.
local PARTS_WAIT_MS = 200
-- The turn of a campaign: so long a batch is at work at most while other campaigns of its lane wait. It is longer where
-- no limit makes a batch slow: to give a batch back and to take it again costs a worker as much as some pushes do.
local TURN_MS = 2000
local UNPACED_TURN_MS = 10000
-- A campaign with a rate below its sender's may use so much of its rate at once: its block is spread over the slots of
-- the sender, so a whole round trip's worth would be a bunch.
local MAX_OWN_BUNCH_US = 50000
-- A batch that is at its end within about this time goes on to its end.
local REST_US = 1000000

local args = arguments({'campaign', 'number', 'token', 'operation', 'last_block', 'max_messages', 'ahead_us',
  'tolerance_us', 'digest', 'repeat_after_s', 'max_to_number', 'period_s', 'fingerprints', 'first_index', 'numbers'})
local id, number = args.campaign, args.number
local ahead_us, tolerance_us = math.min(args.ahead_us, MAX_AHEAD_US), tonumber(args.tolerance_us)
local campaign_key, pace_key = key_of_campaign(id), key_of_sender('pace')
local lease_key, messages_key = key_of_batch(campaign_key, LEASE, number), key_of_batch(campaign_key, MESSAGES, number)

local now = now_us()
local now_ms = math.floor(now / 1000)
local today = day_of(now_ms)

local function wait(ms, reason)
  return reply({status = 'wait', ms = math.ceil(ms), reason = reason})
end

local function closed(reason)
  return reply({status = 'closed', reason = reason})
end

-- Say whether the ledger lost blocks that the worker was given (a power cut, a failover): it counts fewer. The worker
-- knows better which messages it pushed, so it gets no more of them under this token.
local function has_lost_blocks(last_block)
  local known = tonumber(args.last_block)
  return known >= 0 and is_later_block(known, tonumber(last_block))
end

-- Choose the first provider of the chain that can take a message now. A provider that the sender backs off from is
-- tried with one message at a time (a probe), also while a provider after it could take all messages: so it comes back
-- by itself. Returns the index of the provider in the chain, and its name if this is a probe; or nil, nil and when the
-- first of them is free (nil: all are braked).
local function choose_provider(chain, first_provider, pace)
  local chain_index, soonest_us = 0, nil
  for provider in string.gmatch(chain, '%S+') do
    local fields = provider == first_provider and pace or read_fields(pace_key, provider_fields(provider))
    local is_braked, backs_off, free_us = provider_state(fields, provider, now)
    if not is_braked then
      if free_us <= now then return chain_index, backs_off and provider or nil end
      soonest_us = math.min(soonest_us or free_us, free_us)
    end
    chain_index = chain_index + 1
  end
  return nil, nil, soonest_us
end

-- Answer that no provider can take a message before `soonest_us`. A batch that has to wait for long leaves its place in
-- the window to a campaign that can send now.
local function no_provider(soonest_us)
  if not soonest_us then return closed('provider_braked') end
  local others = {}
  if soonest_us > now + SOON_US then others = redis.call('ZRANGE', rotation_of(campaign_key), 0, MAX_OTHERS - 1) end
  local known_chains, rotation_key = {}, rotation_of(campaign_key)
  for _, other in ipairs(others) do
    local chain = redis.call('HGET', key_of_campaign(other), 'chain')
    local can_take = not chain or can_take_or_block(other, rotation_key, chain, now, known_chains)
    if can_take then return closed('backing_off') end
  end
  return wait((soonest_us - now) / 1000, 'backing_off')
end

-- Return how far ahead of the clock this batch gets a slot of its sender's pace. While an urgent batch is out, the
-- others get none ahead: so the urgent one, which asks that much earlier, gets each slot that it wants.
local function reach_of(campaign, main)
  if main.per_unit_us == 0 or campaign.urgent == '1' then return ahead_us end
  return redis.call('SCARD', key_of_sender('window:urgent')) == 0 and ahead_us or 0
end

-- Return the pace that gives out slots: the sender's, or the campaign's own if the sender has no limit. `slot_us` is
-- the next slot, `per_unit_us` the time between two slots for each unit of cost, 0 without a limit.
local function main_pace(campaign, pace)
  local rate, fields, key = tonumber(pace.rate or '0'), pace, pace_key
  if rate <= 0 then rate, fields, key = tonumber(campaign.rate or '0'), campaign, campaign_key end
  if rate <= 0 then return {slot_us = now, per_unit_us = 0} end
  local per_unit_us = 1000000 / rate
  local slot_us = next_slot(fields, per_unit_us, now - tolerance_us, now)
  return {key = key, slot_us = slot_us, per_unit_us = per_unit_us}
end

-- Return the pace of a campaign with a limit below its sender's, nil if it has none. It gives out no slots: a message
-- may go from its next slot on.
local function own_pace(campaign, pace)
  local rate = tonumber(campaign.rate or '0')
  if rate <= 0 or tonumber(pace.rate or '0') <= 0 then return nil end
  local per_unit_us = 1000000 / rate
  local slot_us = next_slot(campaign, per_unit_us, now - math.min(ahead_us + tolerance_us, MAX_OWN_BUNCH_US), now)
  return {key = campaign_key, slot_us = slot_us, per_unit_us = per_unit_us}
end

-- Suppress the messages that may not go.
local function suppress(checks, count, block)
  local indexes, by_code = checks.suppressed, {}
  if #indexes == 0 then return end
  local first, last = unpack(indexes), indexes[#indexes]
  local span = read_span(messages_key, count, first, last)
  for position, index in ipairs(indexes) do
    local code = checks.codes[position]
    local _, attempt, _, _, sent_ms = span.get(index)
    span.put(index, SUPPRESSED, attempt, block, code, sent_ms, 0, NO_TRANSACTION)
    by_code[code] = (by_code[code] or 0) + 1
  end
  span.write()
  redis.call('HINCRBY', campaign_key, SUPPRESSED, #indexes)
  for code, messages in pairs(by_code) do
    redis.call('HINCRBY', key_of_codes(campaign_key), 'suppressed:' .. code, messages)
  end
end

-- Say whether the batch was at work for the whole turn of its campaign while another campaign of its lane waits. A
-- batch that has opened nothing yet still has its turn before it.
local function is_turn_over(lease, main, own)
  local worked_ms = now_ms - tonumber(lease.taken_ms or '0')
  local turn_ms = main.per_unit_us > 0 and TURN_MS or UNPACED_TURN_MS
  if not lease.operation or (worked_ms >= 0 and worked_ms < turn_ms) then return false end
  local rotation_key, window_key = lane_of(campaign_key)
  local first, second = unpack(redis.call('ZRANGE', rotation_key, 0, 1))
  if not second and (not first or first == id) then return false end
  local per_unit_us = math.max(main.per_unit_us * redis.call('SCARD', window_key), own and own.per_unit_us or 0)
  local rest_us = (tonumber(lease.count) - tonumber(lease.first_pending)) * per_unit_us
  return main.per_unit_us == 0 or rest_us > REST_US
end

-- Choose the messages of the block, and move the slots of its paces on.
--   states, at         the states of the batch's messages, and the byte of the first that is pending
--   max_messages       how many messages the block may have
--   part_counts        the SMS parts of each message of the batch, one byte each; false if each has one part
--   costs              the cost of each message, one byte each; false if each costs one unit
--   main, own          the paces, see main_pace and own_pace
--   max_parts          how many SMS parts the block may have
--   checks             of the stretch, see stretch_checks; `limited` if a message may not be chosen for one of them
-- Returns the indexes of the messages in ascending order, the cost of the last of them, the parts of all of them, the
-- parts of the message that did not fit, false if none did not, and the byte of the first message that was not looked
-- at, nil if there is none.
local function choose_messages(states, at, max_messages, part_counts, costs, main, own, max_parts, checks)
  local find, byte, last_us = string.find, string.byte, now + main.reach_us
  local first_slot_us, per_unit_us = main.slot_us, main.per_unit_us
  local slot_us, own_slot_us = first_slot_us, own and own.slot_us
  local indexes, chosen, all_costs, cost, parts, part_count, too_large = {}, 0, 0, 0, 0, 1, false
  local last_at = checks and checks.last_index + 1 or #states
  local limited = checks and (checks.numbers or #checks.text.lookups > 0) and checks
  while at and at <= last_at and chosen < max_messages and slot_us <= last_us do
    if own and own_slot_us > now then break end
    if not limited or may_go(limited, at - 1) then
      if part_counts then part_count = byte(part_counts, at) end
      if parts + part_count > max_parts then
        too_large = part_count
        break
      end
      chosen = chosen + 1
      indexes[chosen] = at - 1
      parts = parts + part_count
      cost = costs and byte(costs, at) or 1
      all_costs = all_costs + cost
      slot_us = first_slot_us + all_costs * per_unit_us
      if own then own_slot_us = own_slot_us + cost * own.per_unit_us end
    end
    at = find(states, PENDING, at + 1, true)
  end
  main.slot_us = slot_us
  if own then own.slot_us = own_slot_us end
  return indexes, cost, parts, too_large, at
end

-- Answer that the next message has more parts than the campaign's budget or the sender's day has left.
local function no_parts_left(campaign, part_count, budget_left)
  -- A message in sending may turn out rejected or suppressed, and cost nothing.
  if tonumber(campaign[SENDING]) > 0 then return wait(PARTS_WAIT_MS, 'campaign_limit') end
  mark_changed(id)
  if part_count > budget_left then
    brake_campaign(id, campaign_key, 'budget_spent ' .. campaign.max_parts)
    return closed('budget_spent')
  end
  redis.call('HSET', pace_key, 'full_day', today)
  return closed('day_used_up')
end

-- Note on the lease when messages that were passed over are to be tried again.
local function note_wait(noted_ms, again_ms)
  redis.call('HSET', lease_key, 'waits_until_ms', math.min(tonumber(noted_ms or nil) or again_ms, again_ms))
end

-- Mark messages as sending. Messages that stand next to each other (a run) are written together.
--   packed            the list that takes each message, packed
--   indexes, costs    the messages of the block; the cost of each message of the batch, false if each costs one unit
--   count             how many messages the batch has
--   block             the number of the block
--   since_created_ms  the time since the campaign's creation
--   starts_in_us      the time from now to the first slot
--   per_unit_us       the time between two slots for each unit of cost
local function mark_sending(packed, indexes, costs, count, block, since_created_ms, starts_in_us, per_unit_us)
  local byte, pack, max, floor = string.byte, struct.pack, math.max, math.floor
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
      local sent_ms = since_created_ms + max(0, floor((starts_in_us + all_costs * per_unit_us) / 1000))
      all_costs = all_costs + (costs and byte(costs, first + offset + 1) or 1)
      new_records[offset + 1] = pack(RECORD, attempt, block, 0, sent_ms, 0, NO_TRANSACTION)
      packed[#packed + 1] = pack(PACKED_MESSAGE, first + offset, attempt)
    end
    redis.call('SETRANGE', messages_key, first, string.rep(SENDING, size))
    redis.call('SETRANGE', messages_key, start, table.concat(new_records))
    run = last + 1
  end
end

ask_for_memory()
local lease = read_fields(lease_key, 'token', 'operation', 'opened_block', 'first_pending', 'last_block', 'count',
  'taken_ms', 'waits_until_ms')
if lease.token ~= args.token then return reply({status = 'lost'}) end
if lease.operation == args.operation then return reply({status = 'opened', block = lease.opened_block}) end
if has_lost_blocks(lease.last_block) then return closed('blocks_lost') end

local campaign = read_fields(campaign_key, 'state', 'start_ms', 'until_ms', 'rate', 'last_slot_us', 'last_slot_cost',
  'cost', 'created_ms', 'first_sent_ms', 'chain', 'opens_ms', 'closes_ms', 'max_parts', 'parts_out', 'batch_size',
  'urgent', PENDING, SENDING)
local reason = why_closed(campaign, now_ms)
if reason then return closed(reason) end

-- One command reads the pace of the sender and the state of the first provider.
local first_provider = string.match(campaign.chain, '%S+')
local pace = read_fields(pace_key, 'rate', 'last_slot_us', 'last_slot_cost', 'paused', 'max_parts_per_day', 'day',
  'day_parts', provider_fields(first_provider))
if pace.paused == '1' then return closed('sender_paused') end
local chain_index, probed, soonest_us = choose_provider(campaign.chain, first_provider, pace)
if not chain_index then return no_provider(soonest_us) end

local count = tonumber(lease.count)
local states = redis.call('GETRANGE', messages_key, 0, count - 1)
local at = string.find(states, PENDING, tonumber(lease.first_pending) + 1, true)
if not at then
  redis.call('HSET', lease_key, 'first_pending', count)
  leave_window(campaign_key, batch_member(id, number))
  if lease.waits_until_ms then return closed('copy_on_its_way') end
  return reply({status = 'drained'})
end

local main, own = main_pace(campaign, pace), own_pace(campaign, pace)
if is_turn_over(lease, main, own) then
  end_turn(id, campaign_key, batch_member(id, number))
  return closed('turn_over')
end
if own and own.slot_us > now then return wait((own.slot_us - now) / 1000, 'campaign_limit') end
local first_slot_us = main.slot_us
main.reach_us = reach_of(campaign, main)
if first_slot_us > now + main.reach_us then
  return wait(math.max(1, (first_slot_us - now - main.reach_us) / 1000), 'rate_limit')
end

local checks = stretch_checks(args, campaign.batch_size, math.floor(now / 1000000))
if checks and (at <= checks.first_index or at > checks.last_index + 1) then
  return reply({status = 'outside', first_pending = at - 1})
end

local budget_left, day_left = parts_left(campaign, pace, today)
local part_counts = redis.call('GET', key_of_batch(campaign_key, PARTS, number))
local costs = campaign.cost == 'parts' and part_counts
local max_messages = probed and 1 or tonumber(args.max_messages)
local indexes, last_cost, parts, too_large, next_at = choose_messages(states, at, max_messages, part_counts, costs,
  main, own, math.min(budget_left, day_left), checks)
if #indexes == 0 and too_large then return no_parts_left(campaign, too_large, budget_left) end

-- All that can fail over damaged fields is done before the first write.
local suppressed = checks and #checks.suppressed or 0
local pending, sending = campaign[PENDING] - #indexes - suppressed, campaign[SENDING] + #indexes
local next_index = next_at and next_at - 1 or count
local parts_out = campaign.parts_out + parts
local block, starts_in_us = (tonumber(lease.last_block) + 1) % BLOCK_NUMBERS, first_slot_us - now
local packed = {struct.pack(PACKED_HEAD, block, starts_in_us, main.per_unit_us, chain_index, next_index, suppressed)}
local since_created_ms = time_since_created(campaign.created_ms, now_ms)
check_records(messages_key, count)
if checks then suppress(checks, count, block) end
mark_sending(packed, indexes, costs, count, block, since_created_ms, starts_in_us, main.per_unit_us)
if checks and #indexes > 0 then mark_chosen(checks, indexes, messages_key, count) end
local opened_block = table.concat(packed)
redis.call('HSET', lease_key, 'operation', args.operation, 'opened_block', opened_block, 'first_pending', next_index,
  'last_block', block)
if checks and checks.waits_ms < math.huge then note_wait(lease.waits_until_ms, now_ms + checks.waits_ms) end
mark_changed(id)
if #indexes == 0 then
  redis.call('HSET', campaign_key, PENDING, pending)
  return reply({status = 'opened', block = opened_block})
end
redis.call('HSET', campaign_key, PENDING, pending, SENDING, sending, 'parts_out', parts_out,
  'first_sent_ms', campaign.first_sent_ms or now_ms, 'last_sent_ms', now_ms)
if main.key then keep_slot(main.key, main.slot_us, last_cost, main.per_unit_us) end
if own then keep_slot(own.key, own.slot_us, last_cost, own.per_unit_us) end
spend_parts_of_day(pace, today, parts)
if probed then redis.call('HSET', pace_key, 'probe_us@' .. probed, string.format('%.0f', now + PROBE_INTERVAL_US)) end
return reply({status = 'opened', block = opened_block})
