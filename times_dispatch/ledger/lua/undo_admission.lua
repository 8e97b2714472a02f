-- uses: names keys frequency
--
-- Take back what check_frequency remembered of messages of a batch that were not sent after all. Fenced by the token.
-- Safe to repeat. To be called before the ledger is told that these messages are pending again: from then on they may
-- be checked anew. Frees, or shortens: runs also when Redis is full.
--
-- Arguments
--   campaign, number  the batch
--   token             the fencing token of the worker's lease
--   operation         an id of this call
--   digest            of the registered text, 8 hex digits
--   period_s          the period in which messages to a number are counted, in seconds
--   fingerprints      of (number, text), 6 bytes for each message whose text is taken back
--   counted           a list: number, and checked_s as check_frequency replied, for each message that is not to count
-- Reply: status is undone, or lost: the lease went to another worker.
-- Keys: campaign and lease of the batch; what is below the sender's recent_texts and recent_numbers.
-- Atomic: all of it.
-- Cost: O(messages).
local args = arguments({'campaign', 'number', 'token', 'operation', 'digest', 'period_s', 'fingerprints'},
  {counted = {'number', 'checked_s'}})
local id, campaign_key = args.campaign, key_of_campaign(args.campaign)
local lease_key = key_of_batch(campaign_key, LEASE, args.number)

local function forget_texts()
  local buckets = bucket_count(tonumber(redis.call('HGET', campaign_key, 'total')))
  for first = 1, #args.fingerprints, FINGERPRINT_BYTES do
    local fingerprint = string.sub(args.fingerprints, first, first + FINGERPRINT_BYTES - 1)
    redis.call('HDEL', key_of_bucket(args.digest, id, bucket_of(fingerprint, buckets)), fingerprint)
  end
end

-- Take one time out of the times of a number, if it is there.
local function forget_time(number, checked_s)
  local key, field = recent_number(math.floor(checked_s / tonumber(args.period_s)), number)
  local times = redis.call('HGET', key, field) or ''
  for at = 1, #times, 4 do
    if struct.unpack('>I4', times, at) == checked_s then
      local left = string.sub(times, 1, at - 1) .. string.sub(times, at + 4)
      -- To delete first needs no memory, and after that Redis does not refuse any.
      redis.call('HDEL', key, field)
      if left ~= '' then redis.call('HSET', key, field, left) end
      return
    end
  end
end

local lease = read_fields(lease_key, 'token', 'undo_operation')
if lease.token ~= args.token then return reply({status = 'lost'}) end
if lease.undo_operation == args.operation then return reply({status = 'undone'}) end
forget_texts()
for _, message in ipairs(args.counted) do forget_time(message.number, tonumber(message.checked_s)) end
-- The same trick: this call's id goes in place of the last one's.
redis.call('HDEL', lease_key, 'undo_operation')
redis.call('HSET', lease_key, 'undo_operation', args.operation)
return reply({status = 'undone'})
