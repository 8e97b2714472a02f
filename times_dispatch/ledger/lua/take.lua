-- uses: names keys memory clock states records leases
--
-- Take the lease of a batch that was issued, with a new fencing token. Safe to repeat: the same operation gets the same
-- reply.
--
-- Arguments
--   campaign, batch_number  the batch
--   lease_ms                how long the lease lasts
--   operation               the id of this call
-- Reply: status is one of
--   taken  token: the fencing token; recipients: the packed recipients
--   busy   another worker holds the lease
--   gone   the batch is not out, or all its messages ended with the campaign
-- Keys: campaign, lease, messages and recipients of the batch; the sender's hash, leases, batches_out and rotation.
-- Atomic: one worker gets the lease; no token is given out twice, and each token is greater than all earlier tokens.
-- Cost: O(messages of the batch).
local args = arguments({'campaign', 'batch_number', 'lease_ms', 'operation'})
local batch_number, campaign_key = args.batch_number, key_of_campaign(args.campaign)
local lease_key = key_of_batch(campaign_key, LEASE, batch_number)
local messages_key = key_of_batch(campaign_key, MESSAGES, batch_number)
local leases_key, sender_key = key_of_sender('leases'), key_of_sender('sender')
local member = batch_member(args.campaign, batch_number)

local function taken(token)
  local recipients = redis.call('GET', key_of_batch(campaign_key, RECIPIENTS, batch_number))
  return reply({status = 'taken', token = tonumber(token), recipients = recipients})
end

-- Return a new fencing token: the last token plus one, but not less than the clock. A power cut may lose the last
-- second of the ledger, and the last tokens with it, while the clock goes on. A double holds the clock's microseconds
-- exactly until the year 2255.
local function new_token(now)
  local token = math.max(tonumber(redis.call('HGET', sender_key, 'fence')) + 1, now)
  redis.call('HSET', sender_key, 'fence', string.format('%.0f', token))
  return string.format('%.0f', token)
end

fail_if_memory_is_full()
if not redis.call('ZSCORE', leases_key, member) then return reply({status = 'gone'}) end
local lease = read_fields(lease_key, 'token', 'take_operation')
if lease.token and lease.take_operation == args.operation then return taken(lease.token) end
if lease.token then return reply({status = 'busy'}) end
local now = now_us()
local count = batch_count(campaign_key, tonumber(batch_number))
if redis.call('EXISTS', messages_key) == 0 then
  if state_without_records(campaign_key, tonumber(batch_number)) ~= PENDING then
    drop_lease(campaign_key, batch_number, member)
    return reply({status = 'gone'})
  end
  redis.call('SET', messages_key, string.rep(PENDING, count) .. string.rep(EMPTY_RECORD, count))
end
local token = new_token(now)
redis.call('ZADD', leases_key, math.floor(now / 1000) + tonumber(args.lease_ms), member)
redis.call('HSET', lease_key, 'token', token, 'take_operation', args.operation, 'first_pending', 0, 'last_block', 0,
  'count', count, 'lease_ms', args.lease_ms, 'taken_ms', math.floor(now / 1000))
return taken(token)
