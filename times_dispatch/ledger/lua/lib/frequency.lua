-- uses: names keys states records
-- The frequency entries: the ledger's memory of which phone was texted when, over all campaigns of a sender.
--
-- An entry does not say that a message was sent. An entry points at its message, and the state of the message says
-- whether the message was sent. So no entry has to be removed when a message is not sent after all. Entries belong to
-- the period of the clock in which they were made, and expire one period after its end. A period is as long as the time
-- over which the limit counts, so a check reads the entries of the current period and of the period before it.
--
-- Registry: the hash that counts the entries of a period, for one text or for all phones, and gives each campaign with
-- entries there a number, which is shorter than its id. (The registry of DLT is something else.)
-- Texts: a fingerprint of six bytes stands for (phone, text). The entries of a registered text and period are spread
-- over hashes ("buckets") that stay small enough for Redis' compact form, of up to 512 entries. A size class has 1, 16,
-- 256, 4,096 or 65,536 buckets: a new entry goes to the smallest class that has room, so an entry is found with one
-- look-up for each class in use.
-- Phones: all entries of a phone are one value, in a hash for all phones that begin alike; the last five digits are the
-- field.
local FINGERPRINT_BYTES = 6
local ENTRIES_PER_BUCKET = 256
local BUCKETS_FACTOR = 16
local LAST_CLASS = 4
-- An entry of a text: the number of the campaign in the registry of the period, the index of the message in its
-- campaign, and the time since the period began.
local TEXT_ENTRY = '>I3I4I2'
-- The time in an entry of a text has 16 bits. In a period of more than this many seconds, one unit of the time is
-- several seconds.
local MAX_TIME = 65536
-- An entry of a phone: the number of the campaign and the index of the message as in TEXT_ENTRY, the attempt, and the
-- time (epoch, seconds).
local PHONE_ENTRY = '>I3I4I1I4'
local PHONE_ENTRY_BYTES = 12

-- Whether the message of an entry was sent (its sent status). The message was sent, or may have been sent, and the
-- status will not change.
local SENT = 'sent'
-- The message is sending, or in doubt, or may be sent again: its sent status may still change.
local UNDECIDED = 'undecided'
-- The message was not sent.
local UNSENT = 'unsent'

-- Return the key of the registry of a text, or of all phones, in a period; the keys of the buckets begin with it.
local function key_of_text(digest, period)
  return key_of_sender('recent_texts') .. ':' .. digest .. ':' .. period
end

local function key_of_phones(period)
  return key_of_sender('recent_phones') .. ':' .. period
end

-- Return the key and the field for a phone in a period: two values and no table, because this runs for each message.
local function key_and_field_of_phone(period, phone)
  return key_of_phones(period) .. ':' .. string.sub(phone, 1, -6), string.sub(phone, -5)
end

-- Return the size class that takes the next entry after this many entries, and how many buckets the class has.
local function class_for(entries)
  local class, buckets = 0, 1
  while class < LAST_CLASS and entries >= buckets * ENTRIES_PER_BUCKET do
    class, buckets = class + 1, buckets * BUCKETS_FACTOR
  end
  return class, buckets
end

-- Return the key of the bucket of a class in which a fingerprint is kept.
local function key_of_bucket(text_key, class, buckets, fingerprint)
  return text_key .. ':' .. class .. ':' .. struct.unpack('>I4', fingerprint) % buckets
end

-- Read the registry of a period for one campaign. Returns a table:
--   key         the key of the registry
--   entries     how many entries there are
--   campaigns   how many campaigns have entries
--   own_number  the campaign's own number in the registry; nil if the campaign has none
--   has_others  whether other campaigns than this one have entries
local function read_registry(registry_key, id)
  local registry = redis.call('HMGET', registry_key, 'entries', 'campaigns', 'campaign_number:' .. id)
  local entries, campaigns, own_number = unpack(registry)
  entries, campaigns, own_number = tonumber(entries or '0'), tonumber(campaigns or '0'), tonumber(own_number or nil)
  return {
    key = registry_key, entries = entries, campaigns = campaigns, own_number = own_number,
    has_others = campaigns > (own_number and 1 or 0),
  }
end

-- Count new entries of a campaign in the registry of a period, give the campaign a number there if it has none, and
-- return that number.
local function register_entries(registry, id, entries, expires_s)
  if registry.own_number then
    redis.call('HSET', registry.key, 'entries', registry.entries + entries)
    return registry.own_number
  end
  local campaign_number = registry.campaigns + 1
  redis.call('HSET', registry.key, 'entries', registry.entries + entries, 'campaigns', campaign_number,
    'campaign_number:' .. id, campaign_number, 'id:' .. campaign_number, id)
  redis.call('EXPIREAT', registry.key, expires_s)
  return campaign_number
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
  local batch_number = math.floor(index / size.of_batch)
  local in_batch = index - batch_number * size.of_batch
  local messages_key = key_of_batch(campaign_key, MESSAGES, batch_number)
  local state = redis.call('GETRANGE', messages_key, in_batch, in_batch)
  local first = record_range(math.min(size.of_batch, size.total - batch_number * size.of_batch), in_batch)
  local attempt = string.byte(redis.call('GETRANGE', messages_key, first, first))
  if state == '' or not attempt then return nil end
  return state, attempt
end

-- Return the sent status of a message; `attempts` counts its pushes before the last push.
local function sent_status(state, attempts)
  if state == SENDING or state == IN_DOUBT then return UNDECIDED end
  local is_unsent = state == PENDING or state == REJECTED or state == SUPPRESSED or state == EXPIRED
    or state == CANCELLED
  if not is_unsent then return SENT end
  if attempts == 0 then return UNSENT end
  -- An earlier attempt may have been sent; while the message is pending, it may be sent again.
  return state == PENDING and UNDECIDED or SENT
end

-- Return how long to wait, in milliseconds, before an undecided entry of this age is checked again: at most until the
-- entry is so old that the limit no longer counts it.
local function wait_while_undecided_ms(age_s, matters_s)
  return math.max(500, math.min(age_s * 500, 60000, (matters_s - age_s) * 1000))
end
