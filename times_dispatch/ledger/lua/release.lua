-- uses: names keys memory clock leases
--
-- Release a batch, whether its messages are all sent or not. Fenced by the token. Safe to repeat: for a minute the same
-- token gets the same reply.
--
-- Arguments
--   campaign, batch_number  the batch
--   token                   the fencing token of the worker's lease
-- Reply: status is released, with in_doubt: how many messages were still sending and are in doubt now; or lost: the
--   lease went to another worker.
-- Keys: campaign, lease, messages, redo, codes, failures and release of the batch; the sender's leases, batches_out,
--   settle_due and rotation.
-- Atomic: the end of the lease and the states of the batch's messages.
-- Cost: O(messages of the batch).
local REMEMBERED_MS = 60000

local args = arguments({'campaign', 'batch_number', 'token'})
local campaign_key = key_of_campaign(args.campaign)
local lease_key = key_of_batch(campaign_key, LEASE, args.batch_number)
local release_key = key_of_batch(campaign_key, RELEASE, args.batch_number)

run_without_memory()
if redis.call('HGET', lease_key, 'token') ~= args.token then
  local token, in_doubt = string.match(redis.call('GET', release_key) or '', '^(%d+) (%d+)$')
  if token ~= args.token then return reply({status = 'lost'}) end
  return reply({status = 'released', in_doubt = tonumber(in_doubt)})
end
local in_doubt = reclaim(args.campaign, campaign_key, tonumber(args.batch_number), now_us())
redis.call('HDEL', key_of_failures(campaign_key), args.batch_number)
redis.call('SET', release_key, args.token .. ' ' .. in_doubt, 'PX', REMEMBERED_MS)
return reply({status = 'released', in_doubt = in_doubt})
