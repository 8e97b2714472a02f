-- uses: names keys clock campaigns providers
--
-- Say whether the messages of an open block may still be pushed, for a worker that got the block late. This script
-- writes nothing.
--
-- Arguments
--   campaign, batch_number  the batch
--   token                   the fencing token of the worker's lease
--   block                   the number of the block
--   provider                the nickname of the provider through which the block is pushed
-- Reply: status is one of
--   confirmed
--   closed     reason: a CloseReason, or the campaign's state; no message of the block may be pushed
--   lost       the lease went to another worker, or the block is not the last block that was opened
-- Keys: campaign and lease of the batch; the sender's hash.
-- Cost: O(1).
local args = arguments({'campaign', 'batch_number', 'token', 'block', 'provider'})
local campaign_key = key_of_campaign(args.campaign)

local lease_key = key_of_batch(campaign_key, LEASE, args.batch_number)
local lease = read_fields(lease_key, 'token', 'last_block')
if lease.token ~= args.token or lease.last_block ~= args.block then return reply({status = 'lost'}) end
local campaign = read_fields(campaign_key, 'state', 'start_ms', 'until_ms', 'send_window_opens_ms',
  'send_window_closes_ms')
local reason = why_closed(campaign, math.floor(now_us() / 1000))
if reason then return reply({status = 'closed', reason = reason}) end
local brake = provider_field('brake', args.provider)
local sender = read_fields(key_of_sender('sender'), 'paused', brake)
if sender.paused == '1' then return reply({status = 'closed', reason = 'sender_paused'}) end
if sender[brake] and sender[brake] ~= '' then return reply({status = 'closed', reason = 'provider_braked'}) end
return reply({status = 'confirmed'})
