-- uses: keys
-- What the ledger keeps to know how often a number was texted, over all campaigns of a sender.
--
-- Texts: a fingerprint of six bytes stands for (number, text). The fingerprints of a campaign are spread over hashes
-- ("buckets") that stay small enough for Redis' compact form, of up to 512 entries. Each is kept with the seconds since
-- the campaign's creation. Numbers: the times at which a number got its last messages, for each period of the clock, in
-- a hash for all numbers that begin alike; the last five digits are the field.
local FINGERPRINT_BYTES = 6
local MESSAGES_PER_BUCKET = 128

local function bucket_count(total)
  return math.ceil(total / MESSAGES_PER_BUCKET)
end

-- A campaign that sent a text lately is a member of the sender's recent_texts.
local function text_member(digest, id, created_s, buckets)
  return digest .. ':' .. id .. ':' .. created_s .. ':' .. buckets
end

-- Return digest, campaign, its creation (epoch, seconds) and its number of buckets.
local function split_text_member(member)
  local digest, id, created_s, buckets = string.match(member, '^(%x+):(%w+):(%d+):(%d+)$')
  return digest, id, tonumber(created_s), tonumber(buckets)
end

local function key_of_bucket(digest, id, bucket)
  return key_of_sender('recent_texts') .. ':' .. digest .. ':' .. id .. ':' .. bucket
end

-- Return the bucket in which a fingerprint is kept.
local function bucket_of(fingerprint, buckets)
  return struct.unpack('>I4', fingerprint) % buckets
end

-- Return the key and the field for a number in a period of the clock.
local function recent_number(period, number)
  return key_of_sender('recent_numbers') .. ':' .. period .. ':' .. string.sub(number, 1, -6), string.sub(number, -5)
end
