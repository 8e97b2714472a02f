-- uses: names keys clock campaigns providers
--
-- Say whether the messages of an open block may still be pushed, for a worker that got the block late. Writes nothing.
--
-- Arguments
--   campaign, number  the batch
--   token             the fencing token of the worker's lease
--   block             the number of the block
--   provider          the nickname of the provider that the block is for
-- Reply: status is one of
--   confirmed
--   closed     reason: a CloseReason, or the campaign's state; nothing of the block may be pushed
--   lost       the lease went to another worker, or the block is not the last one that was opened
-- Keys: campaign and lease of the batch; the sender's pace.
-- Cost: O(1).
local args = arguments({'campaign', 'number', 'token', 'block', 'provider'})
local campaign_key = key_of_campaign(args.campaign)

local lease_key = key_of_batch(campaign_key, LEASE, args.number)
local lease = read_fields(lease_key, 'token', 'last_block')
if lease.token ~= args.token or lease.last_block ~= args.block then return reply({status = 'lost'}) end
local campaign = read_fields(campaign_key, 'state', 'start_ms', 'until_ms', 'opens_ms', 'closes_ms')
local reason = why_closed(campaign, math.floor(now_us() / 1000))
if reason then return reply({status = 'closed', reason = reason}) end
local brake = provider_fields(args.provider)
local pace = redis.call('HMGET', key_of_sender('pace'), 'paused', brake)
local is_paused, brake_reason = unpack(pace)
if is_paused == '1' then return reply({status = 'closed', reason = 'sender_paused'}) end
if brake_reason and brake_reason ~= '' then return reply({status = 'closed', reason = 'provider_braked'}) end
return reply({status = 'confirmed'})
