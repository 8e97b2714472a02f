-- uses: keys
-- The rotation gives the campaigns of a sender their turns; the window holds the batches that are out and still have
-- something to open. Both exist once for each lane: urgent campaigns, whose batches are handed out first; campaigns
-- with a limit of their own, whose batches stay out for long and would fill the window of their sender; and all others.
local URGENT_LANE = 'urgent'
local COMMON_LANE = 'common'
local OWN_LANE = 'own'

-- Return the keys of the rotation and the window of a lane.
local function keys_of_lane(lane)
  if lane == URGENT_LANE then return key_of_sender('rotation:urgent'), key_of_sender('window:urgent') end
  if lane == OWN_LANE then return key_of_sender('rotation:own'), key_of_sender('window:own') end
  return key_of_sender('rotation'), key_of_sender('window')
end

local function has_own_limit(campaign_key)
  return tonumber(redis.call('HGET', campaign_key, 'rate')) > 0
end

-- Return the keys of the rotation and the window of a campaign.
local function lane_of(campaign_key)
  if redis.call('HGET', campaign_key, 'urgent') == '1' then return keys_of_lane(URGENT_LANE) end
  return keys_of_lane(has_own_limit(campaign_key) and OWN_LANE or COMMON_LANE)
end

local function rotation_of(campaign_key)
  return (lane_of(campaign_key))
end

-- Put a running campaign at the end of its rotation, unless it is in it already.
local function queue_campaign(id, campaign_key)
  if redis.call('HGET', campaign_key, 'state') ~= 'running' then return end
  local rotation_key = rotation_of(campaign_key)
  if redis.call('ZSCORE', rotation_key, id) then return end
  redis.call('ZADD', rotation_key, redis.call('HINCRBY', key_of_sender('pace'), 'turn', 1), id)
end

-- Take a campaign out of its rotation, and out of those that wait for their time or for a provider.
local function unqueue_campaign(id)
  for _, lane in ipairs({URGENT_LANE, COMMON_LANE, OWN_LANE}) do
    local rotation_key = keys_of_lane(lane)
    redis.call('ZREM', rotation_key, id)
  end
  redis.call('ZREM', key_of_sender('waiting'), id)
  redis.call('ZREM', key_of_sender('blocked'), id)
end

-- Put a batch into its window; the campaign counts its batches there.
local function enter_window(campaign_key, member)
  local _, window_key = lane_of(campaign_key)
  if redis.call('SADD', window_key, member) == 1 then redis.call('HINCRBY', campaign_key, 'batches_out', 1) end
end

-- Take a batch out of its window.
local function leave_window(campaign_key, member)
  local _, window_key = lane_of(campaign_key)
  if redis.call('SREM', window_key, member) == 0 then return end
  redis.call('HINCRBY', campaign_key, 'batches_out', -1)
  -- A campaign at its own limit gave up its turn, and gets it back now.
  if has_own_limit(campaign_key) then queue_campaign(string.match(member, '^%w+'), campaign_key) end
end

-- Let the turn of a campaign end before its batch does: the batch gives up its place in the window, and the campaign
-- goes to the end of its rotation.
local function end_turn(id, campaign_key, member)
  leave_window(campaign_key, member)
  if redis.call('ZREM', rotation_of(campaign_key), id) == 1 then queue_campaign(id, campaign_key) end
end
