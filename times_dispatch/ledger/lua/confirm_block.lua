-- uses: names keys memory clock campaigns providers pacing
--
-- Say whether the messages of an open block may still be pushed, for a worker that got the block late, and give them
-- new slots: their old slots have passed, and other workers push at the slots after them. A repeated call gives later
-- slots; those of the first call are lost, and the sender sends that much later.
--
-- Arguments
--   campaign, number  the batch
--   token             the fencing token of the worker's lease
--   block             the number of the block
--   provider          the nickname of the provider that the block is for
--   units             the cost of all messages of the block that need new slots; 0: the block keeps its slots
-- Reply: status is one of
--   confirmed  starts_in_us: time from now to the first new slot, in microseconds; 0 without new slots
--   closed     reason: a CloseReason, the campaign's state, or rate_limit if the new slots would be too far ahead;
--              nothing of the block may be pushed
--   lost       the lease went to another worker, or the block is not the last one that was opened
-- Keys: campaign and lease of the batch; the sender's pace.
-- Atomic: the checks, and the slots of the paces.
-- Cost: O(1).

-- A worker has 0.75 s from its question to its last push (workers/batch/timings.py), and the reply takes a part of it.
local MAX_AHEAD_US = 400000

local args = arguments({'campaign', 'number', 'token', 'block', 'provider', 'units'})
local campaign_key, pace_key = key_of_campaign(args.campaign), key_of_sender('pace')

-- Return the next slot of a pace and the time of a unit of its cost; nil if the pace has no limit.
local function slot_of(fields, now)
  local rate = tonumber(fields.rate or '0')
  if rate <= 0 then return nil end
  return next_slot(fields, 1000000 / rate, now, now + MAX_AHEAD_US), 1000000 / rate
end

-- Move the slots of the paces on by the cost of the block. Returns the first slot, nil if it is too far ahead: then
-- nothing was moved on.
local function new_slot(pace, campaign, now, units)
  local sender_us, per_unit_us = slot_of(pace, now)
  local own_us, own_per_unit_us = slot_of(campaign, now)
  local slot_us = math.max(sender_us or 0, own_us or 0, now)
  if slot_us > now + MAX_AHEAD_US then return nil end
  if sender_us then keep_slot(pace_key, slot_us + units * per_unit_us, units, per_unit_us) end
  if own_us then keep_slot(campaign_key, own_us + units * own_per_unit_us, units, own_per_unit_us) end
  return slot_us
end

run_without_memory()
local lease_key = key_of_batch(campaign_key, LEASE, args.number)
local lease = read_fields(lease_key, 'token', 'last_block')
if lease.token ~= args.token or lease.last_block ~= args.block then return reply({status = 'lost'}) end
local campaign = read_fields(campaign_key, 'state', 'start_ms', 'until_ms', 'opens_ms', 'closes_ms',
  'rate', 'last_slot_us', 'last_slot_cost')
local now = now_us()
local reason = why_closed(campaign, math.floor(now / 1000))
if reason then return reply({status = 'closed', reason = reason}) end
local brake = provider_fields(args.provider)
local pace = read_fields(pace_key, 'paused', 'rate', 'last_slot_us', 'last_slot_cost', brake)
if pace.paused == '1' then return reply({status = 'closed', reason = 'sender_paused'}) end
if pace[brake] and pace[brake] ~= '' then return reply({status = 'closed', reason = 'provider_braked'}) end
local units = tonumber(args.units)
if units == 0 then return reply({status = 'confirmed', starts_in_us = 0}) end
local slot_us = new_slot(pace, campaign, now, units)
if not slot_us then return reply({status = 'closed', reason = 'rate_limit'}) end
return reply({status = 'confirmed', starts_in_us = math.floor(slot_us - now)})
