-- The names of the ledger's keys; ledger/keys.py says what each key holds. KEYS has one entry, the sender's hash tag
-- "{TIMESM}": every key of a sender begins with the tag, so all of them are in one hash slot of a Redis Cluster.
local HASH_TAG = unpack(KEYS)

local function key_of_sender(name)
  return HASH_TAG .. ':' .. name
end

local function key_of_campaign(id)
  return HASH_TAG .. ':c:' .. id
end

-- Return the key of the campaign's counters of messages by origin and code.
local function key_of_codes(campaign_key)
  return campaign_key .. ':codes'
end

-- Return the key of the list of the campaign's batches that are to be issued again.
local function key_of_redo(campaign_key)
  return campaign_key .. ':redo'
end

-- Return the key of the notes about failures of workers, by the number of the batch.
local function key_of_failures(campaign_key)
  return campaign_key .. ':failures'
end

-- Return the key of the clicks or replies (`kind`: clicked or replied) of a campaign that were counted.
local function key_of_reactions(campaign_key, kind)
  return campaign_key .. ':' .. kind
end

-- Return the key of the visits of tracked links of a campaign that were counted.
local function key_of_visits(campaign_key)
  return campaign_key .. ':visits'
end

-- Return the key of the campaign's statistics.
local function key_of_statistics(campaign_key)
  return campaign_key .. ':statistics'
end

-- Return the key of the bits that say to which messages of a campaign somebody reacted; `kind` is the kind of reaction.
local function key_of_reacted_messages(campaign_key, kind)
  if kind == 'clicked' then return campaign_key .. ':clickers' end
  if kind == 'replied' then return campaign_key .. ':repliers' end
  return campaign_key .. ':unsubscribers'
end

-- The maximum number of tracked links in one message (links/codes.py).
local MAX_LINKS = 5

-- Return the key of the bits that say in which messages of a campaign a link was clicked. The number of the link is 0
-- if the link of a click is not known, else 1 to MAX_LINKS.
local function key_of_link_clickers(campaign_key, link)
  return campaign_key .. ':clickers:' .. link
end

-- Return the key of the bits that say which failed messages of a campaign wait for a second try.
local function key_of_retries(campaign_key)
  return campaign_key .. ':retries'
end

-- Return the key of the bits that say which messages of a campaign get no second try: somebody reacted to them with a
-- click or a reply, or their numbers are forgotten.
local function key_of_no_second_try(campaign_key)
  return campaign_key .. ':reacted'
end

-- Return the key of the attempts of messages that were sent again.
local function key_of_attempts(campaign_key)
  return campaign_key .. ':attempts'
end

-- Return a key of a batch; `kind` is one of the constants below.
local function key_of_batch(campaign_key, kind, batch_number)
  return campaign_key .. ':' .. kind .. ':' .. batch_number
end

-- The kind of the key that holds the state of a batch while the batch is out for work.
local LEASE = 'b'
-- The kind of the key that holds the states and records of the batch's messages.
local MESSAGES = 'm'
-- The kind of the key that holds the batch's packed recipients.
local RECIPIENTS = 'p'
-- The kind of the key that holds the SMS parts of each message; the key is missing if every message has one part.
local PARTS = 'k'
-- The kind of the key that holds a fingerprint of two bytes for each message's number.
local FINGERPRINTS = 't'
-- The kind of the key that holds the reply to the worker that released the batch.
local RELEASE = 'r'

-- Return the member that stands for a batch in the sender's sets: "<campaign>:<number>".
local function batch_member(id, batch_number)
  return id .. ':' .. batch_number
end

-- Return the campaign and the number of the batch for which a member of a set stands; nothing if the member is damaged.
local function split_batch_member(member)
  return string.match(member, '^(%w+):(%d+)$')
end
