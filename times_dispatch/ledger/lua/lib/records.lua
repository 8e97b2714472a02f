-- uses: names states
-- The messages of a batch are one string: a state byte for each of COUNT messages, then a record of WIDTH bytes for
-- each. A record is
--   attempt u8 | block u16 | code u16 | sent_ms u32 (since the campaign's created_ms) | reported_s u32 (epoch) |
--   transaction, 8 bytes
-- and all numbers are big-endian. ledger/records.py reads the same string.
local WIDTH = 21
local RECORD = '>I1I2I2I4I4c8'
local EMPTY_RECORD = string.rep('\0', WIDTH)
local NO_TRANSACTION = '\0\0\0\0\0\0\0\0'
-- Where fields of a record begin, counted from its first byte.
local CODE_OFFSET = 3
local SENT_OFFSET = 5
local REPORTED_OFFSET = 9
local TRANSACTION_OFFSET = 13

-- Return where the record of a message begins and ends in the string, as GETRANGE counts (from 0, the end included).
local function record_range(count, index)
  local first = count + index * WIDTH
  return first, first + WIDTH - 1
end

-- Return how many messages a batch holds: every batch but the last is full.
local function batch_count(campaign_key, number)
  local campaign = read_fields(campaign_key, 'batch_size', 'total')
  local batch_size, total = tonumber(campaign.batch_size), tonumber(campaign.total)
  return math.min(batch_size, total - number * batch_size)
end

-- Return the state of the messages of a batch without records: pending, or what they became when the campaign ended.
-- Nothing was ever sent of such a batch, so the end of the campaign writes two fields of the campaign and no records.
local function state_without_records(campaign_key, number)
  local campaign = read_fields(campaign_key, 'unopened_state', 'unopened_before')
  local has_ended = campaign.unopened_state and number < tonumber(campaign.unopened_before)
  return has_ended and campaign.unopened_state or PENDING
end

-- Raise an error, before anything is written, if the string has not the length that it must have.
local function check_records(messages_key, count)
  local length = redis.call('STRLEN', messages_key)
  if length ~= 0 and length ~= count * (1 + WIDTH) then
    error('DAMAGED records of ' .. length .. ' bytes for ' .. count .. ' messages')
  end
end
