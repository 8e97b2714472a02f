-- uses: names keys memory clock frequency
--
-- Say which messages of an open block may be pushed, and remember these: the same text goes to the same number only
-- after a while, and a number gets at most so many messages in a period. Fenced by the token. Safe to repeat: the same
-- block gets the same answer again, and counts once.
--
-- Arguments
--   campaign, number  the batch
--   token             the fencing token of the worker's lease
--   block             the number of the block
--   digest            of the registered text, 8 hex digits
--   repeat_after_s    how long the same text may not go to a number again; 0: no limit
--   max_messages      how many messages a number may get within period_s; 0: no limit
--   period_s          seconds
--   fingerprints      of (number, text), 6 bytes for each message
--   numbers           a list: the number of each message; empty if there is no max_messages
-- Reply: status is checked, with
--   checked_s   when the numbers were remembered (epoch, seconds)
--   answers     one byte for each message: a FrequencyAnswer
-- or lost: the lease went to another worker.
-- Keys: campaign and lease of the batch; the sender's recent_texts and recent_numbers with all below them, and its
-- pace.
-- Atomic: answers and what is remembered.
-- Cost: O(messages x other campaigns with this text that sent something within repeat_after_s).
-- A number stands once in a campaign, so only other campaigns are looked at: a message that is sent again is not
-- stopped by itself.
local MAY_GO = '0'
local TOO_MANY = '2'
local SAME_TEXT = '3'

local args = arguments({'campaign', 'number', 'token', 'block', 'digest', 'repeat_after_s', 'max_messages', 'period_s',
  'fingerprints'}, {numbers = {'number'}})
local id, digest, fingerprints = args.campaign, args.digest, args.fingerprints
local repeat_after_s, period_s = tonumber(args.repeat_after_s), tonumber(args.period_s)
local max_messages = tonumber(args.max_messages)
local campaign_key, texts_key = key_of_campaign(id), key_of_sender('recent_texts')
local lease_key = key_of_batch(campaign_key, LEASE, args.number)
local now_s = math.floor(now_us() / 1000000)
-- Seconds from the campaign's creation until now, and its number of buckets.
local age_s, own_buckets = 0, 0

-- Note that this campaign sends its text now. Returns the other campaigns that sent the text lately: id, age_s and
-- buckets.
local function note_text()
  local campaign = read_fields(campaign_key, 'created_ms', 'total')
  local created_s = math.floor(tonumber(campaign.created_ms) / 1000)
  age_s, own_buckets = now_s - created_s, bucket_count(tonumber(campaign.total))
  local others = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', texts_key, '(' .. now_s, '+inf')) do
    local text, other, other_created_s, buckets = split_text_member(member)
    if text == digest and other ~= id then
      others[#others + 1] = {id = other, age_s = now_s - other_created_s, buckets = buckets}
    end
  end
  redis.call('ZADD', texts_key, now_s + repeat_after_s, text_member(digest, id, created_s, own_buckets))
  return others
end

local function was_sent_by(others, fingerprint)
  for _, other in ipairs(others) do
    local bucket = bucket_of(fingerprint, other.buckets)
    local sent_s = redis.call('HGET', key_of_bucket(digest, other.id, bucket), fingerprint)
    if sent_s and other.age_s - sent_s < repeat_after_s then return true end
  end
  return false
end

-- Count a message to a number, unless it has had its most. The period ends now, so it is cut out of two periods of the
-- clock; what lies before them expires with its key.
local function count_number(number)
  local period = math.floor(now_s / period_s)
  local before_key, before_field = recent_number(period - 1, number)
  local key, field = recent_number(period, number)
  local times, times_before = redis.call('HGET', key, field) or '', redis.call('HGET', before_key, before_field) or ''
  local count = #times / 4
  for at = 1, #times_before, 4 do
    if struct.unpack('>I4', times_before, at) > now_s - period_s then count = count + 1 end
  end
  if count >= max_messages then return false end
  redis.call('HSET', key, field, times .. struct.pack('>I4', now_s))
  redis.call('EXPIREAT', key, (period + 2) * period_s)
  return true
end

local function check_all()
  local answers, others = {}, repeat_after_s > 0 and note_text() or {}
  for position = 1, #fingerprints / FINGERPRINT_BYTES do
    local last = position * FINGERPRINT_BYTES
    local fingerprint = string.sub(fingerprints, last - FINGERPRINT_BYTES + 1, last)
    if was_sent_by(others, fingerprint) then
      answers[position] = SAME_TEXT
    elseif max_messages > 0 and not count_number(args.numbers[position]) then
      answers[position] = TOO_MANY
    else
      answers[position] = MAY_GO
      if repeat_after_s > 0 then
        redis.call('HSET', key_of_bucket(digest, id, bucket_of(fingerprint, own_buckets)), fingerprint, age_s)
      end
    end
  end
  return table.concat(answers)
end

ask_for_memory()
local lease = read_fields(lease_key, 'token', 'checked_block', 'checked_s', 'checked_answers')
if lease.token ~= args.token then return reply({status = 'lost'}) end
if lease.checked_block == args.block then
  return reply({status = 'checked', checked_s = tonumber(lease.checked_s), answers = lease.checked_answers})
end
local answers = check_all()
redis.call('HSET', lease_key, 'checked_block', args.block, 'checked_s', now_s, 'checked_answers', answers)
return reply({status = 'checked', checked_s = now_s, answers = answers})
