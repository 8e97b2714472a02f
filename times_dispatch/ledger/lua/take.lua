-- uses: names keys memory clock states records leases
--
-- Take the lease of a batch that was handed out, with a new fencing token. Safe to repeat: the same taker gets the same
-- answer.
--
-- Arguments
--   campaign, number  the batch
--   lease_ms          how long the lease lasts
--   taker             an id of this call
-- Reply: status is one of
--   taken  token: the fencing token; recipients: the packed recipients
--   busy   another worker holds the lease
--   gone   nothing of the batch has to be done
-- Keys: campaign, lease, messages and recipients of the batch; the sender's pace and leases.
-- Atomic: one worker gets the lease; a token is never given twice, and each is greater than all before it.
-- Cost: O(messages of the batch).
local args = arguments({'campaign', 'number', 'lease_ms', 'taker'})
local number, campaign_key = args.number, key_of_campaign(args.campaign)
local lease_key, messages_key = key_of_batch(campaign_key, LEASE, number), key_of_batch(campaign_key, MESSAGES, number)
local leases_key, pace_key = key_of_sender('leases'), key_of_sender('pace')
local member = batch_member(args.campaign, number)

local function taken(token)
  local recipients = redis.call('GET', key_of_batch(campaign_key, RECIPIENTS, number))
  return reply({status = 'taken', token = tonumber(token), recipients = recipients})
end

-- Return a new fencing token. It counts on, but is not below the clock: a power cut may take the last second of the
-- ledger with it, and the count of tokens too, while the clock goes on. A double holds the clock's microseconds exactly
-- until the year 2255.
local function new_token(now)
  local token = math.max(tonumber(redis.call('HGET', pace_key, 'fence')) + 1, now)
  redis.call('HSET', pace_key, 'fence', string.format('%.0f', token))
  return string.format('%.0f', token)
end

ask_for_memory()
if not redis.call('ZSCORE', leases_key, member) then return reply({status = 'gone'}) end
local lease = read_fields(lease_key, 'token', 'taker')
if lease.token and lease.taker == args.taker then return taken(lease.token) end
if lease.token then return reply({status = 'busy'}) end
local now = now_us()
local count = batch_count(campaign_key, tonumber(number))
if redis.call('EXISTS', messages_key) == 0 then
  if state_without_records(campaign_key, tonumber(number)) ~= PENDING then
    drop_lease(campaign_key, number, member)
    return reply({status = 'gone'})
  end
  redis.call('SET', messages_key, string.rep(PENDING, count) .. string.rep(EMPTY_RECORD, count))
end
local token = new_token(now)
redis.call('ZADD', leases_key, math.floor(now / 1000) + tonumber(args.lease_ms), member)
redis.call('HSET', lease_key, 'token', token, 'taker', args.taker, 'first_pending', 0, 'last_block', 0, 'count', count,
  'lease_ms', args.lease_ms, 'taken_ms', math.floor(now / 1000))
return taken(token)
