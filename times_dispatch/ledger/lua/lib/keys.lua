-- The names of the ledger's keys; ledger/keys.py says what each key holds. KEYS has one entry, the sender's hash tag "{TIMESM}":
-- every key of a sender begins with it, so all of them are in one slot of a Redis Cluster.
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

-- The clicks or replies (`kind`: clicked or replied) of a campaign that were counted.
local function key_of_reactions(campaign_key, kind)
  return campaign_key .. ':' .. kind
end

-- The state of a batch while a worker holds it.
local function key_of_lease(campaign_key, number)
  return campaign_key .. ':b:' .. number
end

-- The states and records of a batch's messages.
local function key_of_messages(campaign_key, number)
  return campaign_key .. ':m:' .. number
end

-- The packed recipients of a batch.
local function key_of_recipients(campaign_key, number)
  return campaign_key .. ':p:' .. number
end

-- The SMS parts of each message of a batch; missing if every message has one part.
local function key_of_parts(campaign_key, number)
  return campaign_key .. ':k:' .. number
end

-- What was answered to the worker that released a batch.
local function key_of_release(campaign_key, number)
  return campaign_key .. ':r:' .. number
end

-- A batch as a member of the sender's sets: "<campaign>:<number>".
local function batch_member(id, number)
  return id .. ':' .. number
end

local function split_batch_member(member)
  return string.match(member, '^(%w+):(%d+)$')
end
