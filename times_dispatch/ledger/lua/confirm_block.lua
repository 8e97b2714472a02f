-- uses: names keys memory clock campaigns providers pacing
--
-- Say whether the messages of an open block may still be pushed, for a worker that got the block late. Give the
-- messages new send times if the old send times have passed, because other workers push at the send times after them. A
-- repeated call gives later send times; the send times of the first call stay unused, so the sender loses this time.
--
-- Arguments
--   campaign, batch_number  the batch
--   token                   the fencing token of the worker's lease
--   block                   the number of the block
--   provider                the nickname of the provider through which the block is pushed
--   delay_us                how much later than the send times this worker can push, in microseconds
--   units                   the cost of all messages of the block that need new send times; 0: no send time changes
-- Reply: status is one of
--   confirmed  starts_in_us: time from now to the first new send time, in microseconds; 0 without new send times;
--              now_us: the clock, in microseconds since the epoch;
--              delay_us: how much later than the send times the messages are pushed
--   closed     reason: a CloseReason, the campaign's state, or rate_limit if the new send times would be too far ahead;
--              no message of the block may be pushed
--   lost       the lease went to another worker, or the block is not the last block of the batch that was opened
-- Keys: campaign and lease of the batch; the sender's hash.
-- Atomic: the checks, and the send times of the paces.
-- Cost: O(1).

local args = arguments({'campaign', 'batch_number', 'token', 'block', 'provider', 'delay_us', 'units'})
local campaign_key, sender_key = key_of_campaign(args.campaign), key_of_sender('sender')

-- Return the next send time of a pace, and the time between two send times for each unit of cost; nil if the pace has
-- no limit.
local function send_time_of(fields, now)
  local rate = tonumber(fields.rate or '0')
  if rate <= 0 then return nil end
  return next_send_time(fields, 1000000 / rate, now, now + MAX_AHEAD_US), 1000000 / rate
end

-- Advance the paces by the cost of the block. Returns the first send time; nil if this time is too far ahead, and then
-- the paces do not change.
local function new_send_time(sender, campaign, now, units)
  local sender_us, per_unit_us = send_time_of(sender, now)
  local own_us, own_per_unit_us = send_time_of(campaign, now)
  local send_time_us = math.max(sender_us or 0, own_us or 0, now)
  if send_time_us > now + MAX_AHEAD_US then return nil end
  if sender_us then keep_send_time(sender_key, send_time_us + units * per_unit_us, units, per_unit_us) end
  if own_us then keep_send_time(campaign_key, own_us + units * own_per_unit_us, units, own_per_unit_us) end
  return send_time_us
end

run_without_memory()
local lease_key = key_of_batch(campaign_key, LEASE, args.batch_number)
local lease = read_fields(lease_key, 'token', 'last_block')
if lease.token ~= args.token or lease.last_block ~= args.block then return reply({status = 'lost'}) end
local campaign = read_fields(campaign_key, 'state', 'start_ms', 'until_ms', 'send_window_opens_ms',
  'send_window_closes_ms', 'rate', 'last_send_time_us', 'last_send_time_cost', 'delay_ends_us')
local now = now_us()
local reason = why_closed(campaign, math.floor(now / 1000))
if reason then return reply({status = 'closed', reason = reason}) end
local brake = provider_field('brake', args.provider)
local sender = read_fields(sender_key, 'paused', 'rate', 'last_send_time_us', 'last_send_time_cost', 'delay_ends_us',
  brake)
if sender.paused == '1' then return reply({status = 'closed', reason = 'sender_paused'}) end
if sender[brake] and sender[brake] ~= '' then return reply({status = 'closed', reason = 'provider_braked'}) end
local units = tonumber(args.units)
if units == 0 then return reply({status = 'confirmed', starts_in_us = 0, now_us = now, delay_us = 0}) end
local send_time_us = new_send_time(sender, campaign, now, units)
if not send_time_us then return reply({status = 'closed', reason = 'rate_limit'}) end
local has_rate = tonumber(sender.rate or '0') > 0
local wanted_us = tonumber(args.delay_us)
local delay_us = delay_of(has_rate and sender or campaign, wanted_us, now)
keep_delay(has_rate and sender_key or campaign_key, delay_us, wanted_us, now)
return reply({
  status = 'confirmed', starts_in_us = math.floor(send_time_us - now), now_us = now, delay_us = math.floor(delay_us),
})
