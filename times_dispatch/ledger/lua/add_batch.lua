-- uses: names keys memory clock states records statistics
--
-- Append a batch of recipients to a campaign that is being submitted. Safe to repeat.
--
-- Arguments
--   campaign, batch_number  the batch
--   count                   how many messages the batch has
--   recipients              the packed recipients, see ledger/records.py
--   parts                   the SMS parts of each message, one byte each; empty if every message has one part
--   fingerprints            the fingerprints of the messages' numbers, see ledger/numbers/fingerprints.py
--   suppressed              the messages that are suppressed from the start, ascending, each once: its index u16, and
--                           its reason u16 (a Suppression)
-- Reply: status is one of
--   stored
--   present        the batch was stored already
--   no_campaign    the ledger has no such campaign
--   sealed         the campaign takes no more batches; state: the campaign's state
--   gap            a batch with a lower number is missing; batches: how many batches the ledger has
--   bad_size       the batch is empty or too long; batch_size: how many messages a batch of the campaign has
--   short_before   the batch before this one is shorter than batch_size: only the last batch may be shorter
-- Keys: campaign; recipients, parts, fingerprints, messages and codes of the batch; the sender's hash.
-- Atomic: the batch and the counters.
-- Cost: O(1), and O(messages) if any message is suppressed.
local args = arguments({'campaign', 'batch_number', 'count', 'recipients', 'parts', 'fingerprints', 'suppressed'})
local campaign_key = key_of_campaign(args.campaign)
local SUPPRESSED_ITEM = '>I2I2'
local SUPPRESSED_BYTES = 4
local batch_number, count = tonumber(args.batch_number), tonumber(args.count)

-- Return the states and records of the batch: the suppressed messages are suppressed, the others pending.
local function suppressed_messages()
  local states, records = {}, {}
  for position = 1, count do
    states[position], records[position] = PENDING, EMPTY_RECORD
  end
  for index_at = 1, #args.suppressed, SUPPRESSED_BYTES do
    local index, code = struct.unpack(SUPPRESSED_ITEM, args.suppressed, index_at)
    states[index + 1], records[index + 1] = SUPPRESSED, struct.pack(RECORD, 0, 0, code, 0, 0, NO_TRANSACTION)
  end
  return table.concat(states) .. table.concat(records)
end

-- Count the suppressed messages for the statistics.
local function count_suppressed()
  local statistics = message_statistics(campaign_key, batch_number, read_for_statistics(campaign_key))
  for index_at = 1, #args.suppressed, SUPPRESSED_BYTES do
    local index, code = struct.unpack(SUPPRESSED_ITEM, args.suppressed, index_at)
    statistics.change(index, PENDING, 0, 0, 0, SUPPRESSED, code, 0, 0)
    redis.call('HINCRBY', key_of_codes(campaign_key), 'suppressed:' .. code, 1)
  end
  statistics.write(math.floor(now_us() / 1000))
end

fail_if_memory_is_full()
local campaign = read_fields(campaign_key, 'state', 'batches', 'total', 'batch_size')
local batches, batch_size = tonumber(campaign.batches), tonumber(campaign.batch_size)
if not batches then return reply({status = 'no_campaign'}) end
if batch_number < batches then return reply({status = 'present'}) end
if campaign.state ~= 'submitting' then return reply({status = 'sealed', state = campaign.state}) end
if batch_number > batches then return reply({status = 'gap', batches = batches}) end
if count < 1 or count > batch_size then return reply({status = 'bad_size', batch_size = batch_size}) end
if tonumber(campaign.total) ~= batches * batch_size then return reply({status = 'short_before'}) end

redis.call('SET', key_of_batch(campaign_key, RECIPIENTS, batch_number), args.recipients)
redis.call('SET', key_of_batch(campaign_key, FINGERPRINTS, batch_number), args.fingerprints)
if args.parts ~= '' then redis.call('SET', key_of_batch(campaign_key, PARTS, batch_number), args.parts) end
redis.call('HINCRBY', campaign_key, 'batches', 1)
redis.call('HINCRBY', campaign_key, 'total', count)
local suppressed = #args.suppressed / SUPPRESSED_BYTES
if suppressed > 0 then
  redis.call('SET', key_of_batch(campaign_key, MESSAGES, batch_number), suppressed_messages())
  redis.call('HINCRBY', campaign_key, SUPPRESSED, suppressed)
  count_suppressed()
end
redis.call('HINCRBY', campaign_key, PENDING, count - suppressed)
return reply({status = 'stored'})
