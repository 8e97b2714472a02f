-- The names of the ledger's keys; ledger/keys.py says what each key holds. KEYS has one entry, the sender's hash tag
-- "{TIMESM}": every key of a sender begins with it, so all of them are in one slot of a Redis Cluster.
local HASH_TAG = unpack(KEYS)

local function key_of_sender(name)
  return HASH_TAG .. ':' .. name
end

local function key_of_campaign(id)
  return HASH_TAG .. ':c:' .. id
end

-- Rejected and failed messages of a campaign, by origin and code.
local function key_of_codes(campaign_key)
  return campaign_key .. ':codes'
end

-- The campaign's batches that are to be handed out again.
local function key_of_redo(campaign_key)
  return campaign_key .. ':redo'
end

-- What is noted of failures of workers, by the number of the batch.
local function key_of_failures(campaign_key)
  return campaign_key .. ':failures'
end

-- The clicks or replies (`kind`: clicked or replied) of a campaign that were counted.
local function key_of_reactions(campaign_key, kind)
  return campaign_key .. ':' .. kind
end

-- A key of a batch; the kinds follow.
local function key_of_batch(campaign_key, kind, number)
  return campaign_key .. ':' .. kind .. ':' .. number
end

-- The state of the batch while it is out for work.
local LEASE = 'b'
-- The states and records of its messages.
local MESSAGES = 'm'
-- Its packed recipients.
local RECIPIENTS = 'p'
-- The SMS parts of each message; missing if every message has one part.
local PARTS = 'k'
-- What was answered to the worker that released it.
local RELEASE = 'r'

-- A batch as a member of the sender's sets: "<campaign>:<number>".
local function batch_member(id, number)
  return id .. ':' .. number
end

local function split_batch_member(member)
  return string.match(member, '^(%w+):(%d+)$')
end
