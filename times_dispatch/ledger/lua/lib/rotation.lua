-- uses: keys
-- The rotation of a sender is a round robin: each campaign gets its turn, has one batch issued, and goes to the end.
-- The batches out are the issued batches that still have messages to open. The rotation and the batches out exist once
-- for each turn group: urgent campaigns, whose batches are issued first; campaigns with a rate limit of their own,
-- whose batches stay out for long and would leave no room for the batches of other campaigns; and all other campaigns.
local URGENT_GROUP = 'urgent'
local COMMON_GROUP = 'common'
local OWN_GROUP = 'own'
-- How many seconds of messages, at the rate, the batches out should hold.
local BATCHES_OUT_S = 2

-- Return the keys of a group as a table: rotation and batches_out.
local function keys_of_group(group)
  if group == URGENT_GROUP then
    return {rotation = key_of_sender('rotation:urgent'), batches_out = key_of_sender('batches_out:urgent')}
  elseif group == OWN_GROUP then
    return {rotation = key_of_sender('rotation:own'), batches_out = key_of_sender('batches_out:own')}
  end
  return {rotation = key_of_sender('rotation'), batches_out = key_of_sender('batches_out')}
end

local function has_own_limit(campaign_key)
  return tonumber(redis.call('HGET', campaign_key, 'rate')) > 0
end

-- Return the keys of the group of a campaign, see keys_of_group.
local function turn_group_of(campaign_key)
  if redis.call('HGET', campaign_key, 'urgent') == '1' then return keys_of_group(URGENT_GROUP) end
  return keys_of_group(has_own_limit(campaign_key) and OWN_GROUP or COMMON_GROUP)
end

-- Put a running campaign at the end of its rotation, unless the campaign is in the rotation already.
local function queue_campaign(id, campaign_key)
  if redis.call('HGET', campaign_key, 'state') ~= 'running' then return end
  local rotation_key = turn_group_of(campaign_key).rotation
  if redis.call('ZSCORE', rotation_key, id) then return end
  redis.call('ZADD', rotation_key, redis.call('HINCRBY', key_of_sender('sender'), 'turn', 1), id)
end

-- Take a campaign out of its rotation, and out of the sets of campaigns that wait for their start, for their send
-- window or for a provider.
local function unqueue_campaign(id)
  for _, group in ipairs({URGENT_GROUP, COMMON_GROUP, OWN_GROUP}) do
    redis.call('ZREM', keys_of_group(group).rotation, id)
  end
  redis.call('ZREM', key_of_sender('waiting'), id)
  redis.call('ZREM', key_of_sender('blocked'), id)
end

-- Add a batch to the batches out of its turn group; the campaign counts its own batches out too.
local function mark_out(campaign_key, member)
  if redis.call('SADD', turn_group_of(campaign_key).batches_out, member) == 1 then
    redis.call('HINCRBY', campaign_key, 'batches_out', 1)
  end
end

-- Take a batch from the batches out of its turn group.
local function mark_not_out(campaign_key, member)
  if redis.call('SREM', turn_group_of(campaign_key).batches_out, member) == 0 then return end
  redis.call('HINCRBY', campaign_key, 'batches_out', -1)
  -- A campaign that had reached its own limit of batches out had left the rotation, and enters the rotation again now.
  if has_own_limit(campaign_key) then queue_campaign(string.match(member, '^%w+'), campaign_key) end
end

-- End the turn of a campaign before its batch has ended: the batch no longer counts among the batches out, and the
-- campaign goes to the end of its rotation.
local function end_turn(id, campaign_key, member)
  mark_not_out(campaign_key, member)
  if redis.call('ZREM', turn_group_of(campaign_key).rotation, id) == 1 then queue_campaign(id, campaign_key) end
end

-- Return how many batches of this size may be out at a rate.
local function batches_for_rate(rate, batch_size)
  return math.max(2, math.ceil(BATCHES_OUT_S * rate / batch_size) + 1)
end

-- Say whether more batches of a campaign's group are out than the sender's rate needs, as after the rate was lowered.
-- Each batch out has a place in a worker, which batches of other senders may need. Campaigns with a rate limit of their
-- own have places of their own.
--   batch_size  messages of a batch; 1 for a batch without an opened block, so that each issued batch opens a block:
--               the batches out exceed what is issued at this rate, whatever their size, only if the rate was lowered
local function is_surplus(campaign_key, rate, batch_size)
  if tonumber(rate or '0') <= 0 or has_own_limit(campaign_key) then return false end
  local out = redis.call('SCARD', turn_group_of(campaign_key).batches_out)
  return out > batches_for_rate(tonumber(rate), batch_size)
end
