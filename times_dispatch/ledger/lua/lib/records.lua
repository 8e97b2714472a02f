-- uses: names states
-- The messages of a batch are one string: a state byte for each of COUNT messages, then a record of WIDTH bytes for
-- each. A record is
--   attempt u8 | block u16 | code u16 | sent u40 | reported_s u32 (epoch) | transaction, 8 bytes
-- and all numbers are big-endian. `transaction` is the provider's transaction id, as a number. `reported_s` is the time
-- in the delivery report. ledger/records.py reads the same string. The field `sent` holds two numbers: the index of the
-- provider in the campaign's chain (the highest 4 bits), and the time since the campaign's created_ms (36 bits).
local WIDTH = 22
local RECORD = '>I1I2I2I5I4c8'
local EMPTY_RECORD = string.rep('\0', WIDTH)
local NO_TRANSACTION = '\0\0\0\0\0\0\0\0'
-- Where fields of a record begin, counted from its first byte.
local CODE_OFFSET = 3
local SENT_OFFSET = 5
local REPORTED_OFFSET = 10
local TRANSACTION_OFFSET = 14

-- The limits of the fields: struct.pack cuts off the bits that do not fit, so a script compares a new value with the
-- limit before it packs the value.
local MAX_ATTEMPT = 255
local MAX_SENT_MS = 68719476735
-- The field `sent` is the index of the provider times this number, plus the time.
local PROVIDER_UNIT = 68719476736

-- Return the time from the campaign's creation until a moment (both in epoch milliseconds), as a record can hold it; 0
-- after a clock was set back. Raises an error, before anything is written, for a time that does not fit.
local function time_since_created(created_ms, moment_ms)
  local since_ms = math.max(0, moment_ms - tonumber(created_ms))
  if since_ms > MAX_SENT_MS then error('DAMAGED created_ms: ' .. created_ms .. ' is too long ago') end
  return since_ms
end

-- Block numbers count from 1 under each token, modulo this number.
local BLOCK_NUMBERS = 65536

-- Say whether a block was opened after another block of the same token.
local function is_later_block(block, other)
  local ahead = (block - other) % BLOCK_NUMBERS
  return ahead > 0 and ahead < BLOCK_NUMBERS / 2
end

-- Return where the record of a message begins and ends in the string, as GETRANGE counts (from 0, the end included):
-- two values and no table, because this runs for each message of a batch.
local function record_range(count, index)
  local first = count + index * WIDTH
  return first, first + WIDTH - 1
end

-- Return how many messages a batch holds: every batch but the last is full.
local function batch_count(campaign_key, batch_number)
  local campaign = read_fields(campaign_key, 'batch_size', 'total')
  local batch_size, total = tonumber(campaign.batch_size), tonumber(campaign.total)
  return math.min(batch_size, total - batch_number * batch_size)
end

-- Return the state of the messages of a batch without records: pending, or the state that they got when the campaign
-- ended. No message of such a batch was ever sent, so the end of the campaign writes two fields of the campaign and no
-- records.
local function state_without_records(campaign_key, batch_number)
  local campaign = read_fields(campaign_key, 'unopened_state', 'unopened_before')
  local has_ended = campaign.unopened_state and batch_number < tonumber(campaign.unopened_before)
  return has_ended and campaign.unopened_state or PENDING
end

-- Raise an error, before anything is written, if the string does not have the length of `count` messages. Return
-- whether there is a string.
local function check_records(messages_key, count)
  local length = redis.call('STRLEN', messages_key)
  if length ~= 0 and length ~= count * (1 + WIDTH) then
    error('DAMAGED records of ' .. length .. ' bytes for ' .. count .. ' messages')
  end
  return length ~= 0
end
