-- uses: names keys states records
-- What the ledger keeps to know how often a number was texted, over all campaigns of a sender.
--
-- Nothing here says that a message was sent. A mark points at the message that made it, and the state of that message
-- says what became of it: so nothing has to be taken back when a message is not sent after all. Marks are kept for one
-- period of the clock each and expire one period later. A period is as long as the time that is looked back, so the
-- marks of this period and of the one before it are looked at.
--
-- Texts: a fingerprint of six bytes stands for (number, text). The marks of a registered text and period are spread
-- over hashes ("buckets") that stay small enough for Redis' compact form, of up to 512 entries. A size class has 1, 16,
-- 256, 4,096 or 65,536 buckets: new marks go to the smallest class that has room, so a mark is found with one look-up
-- for each class in use.
-- Numbers: the marks of a number in one value, in a hash for all numbers that begin alike; the last five digits are the
-- field.
local FINGERPRINT_BYTES = 6
local MARKS_PER_BUCKET = 256
local BUCKETS_FACTOR = 16
local LAST_CLASS = 4
-- A mark of a text: the number of the campaign in the registry of the period, the index of the message in its campaign,
-- and the time since the period began.
local TEXT_MARK = '>I3I4I2'
-- The time of such a mark has 16 bits; in a longer period than this it counts in more seconds than one.
local MAX_TIME = 65536
-- A mark of a number: campaign and index as above, the attempt, and the time (epoch, seconds).
local NUMBER_MARK = '>I3I4I1I4'
local NUMBER_MARK_BYTES = 12

-- What became of a marked message. It was sent, or may have been, and nothing more will be known.
local WENT = 'went'
-- It is on its way, or in doubt, or may be sent again: that will be known later.
local UNDECIDED = 'undecided'
-- It was not sent.
local UNSENT = 'unsent'

-- Return the key of the registry of a text, or of all numbers, in a period; the buckets are below it.
local function key_of_text(digest, period)
  return key_of_sender('recent_texts') .. ':' .. digest .. ':' .. period
end

local function key_of_numbers(period)
  return key_of_sender('recent_numbers') .. ':' .. period
end

-- Return the key and the field for a number in a period.
local function recent_number(period, number)
  return key_of_numbers(period) .. ':' .. string.sub(number, 1, -6), string.sub(number, -5)
end

-- Return the size class that takes the next mark after so many, and how many buckets it has.
local function class_for(marks)
  local class, buckets = 0, 1
  while class < LAST_CLASS and marks >= buckets * MARKS_PER_BUCKET do
    class, buckets = class + 1, buckets * BUCKETS_FACTOR
  end
  return class, buckets
end

-- Return the key of the bucket of a class in which a fingerprint is kept.
local function key_of_bucket(text_key, class, buckets, fingerprint)
  return text_key .. ':' .. class .. ':' .. struct.unpack('>I4', fingerprint) % buckets
end

-- Read the registry of a period as it concerns one campaign. Returns how many marks there are, how many campaigns, the
-- campaign's own number among them (nil if it has none), and whether others than this campaign have marks.
local function read_registry(registry_key, id)
  local registry = redis.call('HMGET', registry_key, 'marks', 'campaigns', 'number:' .. id)
  local marks, campaigns, own_number = unpack(registry)
  marks, campaigns, own_number = tonumber(marks or '0'), tonumber(campaigns or '0'), tonumber(own_number or nil)
  return {
    key = registry_key, marks = marks, campaigns = campaigns, own_number = own_number,
    has_others = campaigns > (own_number and 1 or 0),
  }
end

-- Count new marks of a campaign in the registry of a period, give the campaign a number there if it has none, and
-- return that number.
local function register_marks(registry, id, marks, expires_s)
  if registry.own_number then
    redis.call('HSET', registry.key, 'marks', registry.marks + marks)
    return registry.own_number
  end
  local number = registry.campaigns + 1
  redis.call('HSET', registry.key, 'marks', registry.marks + marks, 'campaigns', number, 'number:' .. id, number,
    'id:' .. number, id)
  redis.call('EXPIREAT', registry.key, expires_s)
  return number
end

-- Return the state and the attempt of a message, by its campaign and its index in the campaign; nil if its record is
-- gone or cannot be read. `sizes` keeps the size of each campaign.
local function read_message(id, index, sizes)
  local campaign_key = key_of_campaign(id)
  local size = sizes[id]
  if not size then
    local campaign = read_fields(campaign_key, 'batch_size', 'total')
    size = {of_batch = tonumber(campaign.batch_size or nil), total = tonumber(campaign.total or nil)}
    sizes[id] = size
  end
  if not size.of_batch then return nil end
  local number = math.floor(index / size.of_batch)
  local in_batch = index - number * size.of_batch
  local messages_key = key_of_batch(campaign_key, MESSAGES, number)
  local state = redis.call('GETRANGE', messages_key, in_batch, in_batch)
  local first = record_range(math.min(size.of_batch, size.total - number * size.of_batch), in_batch)
  local attempt = string.byte(redis.call('GETRANGE', messages_key, first, first))
  if state == '' or not attempt then return nil end
  return state, attempt
end

-- Return what became of a message that is in this state and has had so many attempts before.
local function fate_of(state, attempts)
  if state == SENDING or state == IN_DOUBT then return UNDECIDED end
  local is_unsent = state == PENDING or state == REJECTED or state == SUPPRESSED or state == EXPIRED
    or state == CANCELLED
  if not is_unsent then return WENT end
  if attempts == 0 then return UNSENT end
  -- An earlier attempt may have been sent; while the message is pending, it may go again.
  return state == PENDING and UNDECIDED or WENT
end

-- Return how long to wait, in milliseconds, before an undecided mark of this age is looked at again: not longer than
-- until it is as old as marks matter.
local function wait_for_fate_ms(age_s, matters_s)
  return math.max(500, math.min(age_s * 500, 60000, (matters_s - age_s) * 1000))
end
