-- uses: keys
-- The rotation gives the campaigns of a sender their turns; the window holds the batches that are out and still have
-- something to open. Both exist twice: campaigns with a limit of their own stand apart, because their batches stay out
-- for long and would fill the window of their sender.

local function has_own_limit(campaign_key)
  return tonumber(redis.call('HGET', campaign_key, 'rate')) > 0
end

local function rotation_of(campaign_key)
  return has_own_limit(campaign_key) and key_of_sender('rotation:own') or key_of_sender('rotation')
end

-- Put a running campaign at the end of its rotation, unless it is in it already.
local function queue_campaign(id, campaign_key)
  if redis.call('HGET', campaign_key, 'state') ~= 'running' then return end
  local rotation_key = rotation_of(campaign_key)
  if redis.call('ZSCORE', rotation_key, id) then return end
  redis.call('ZADD', rotation_key, redis.call('HINCRBY', key_of_sender('pace'), 'turn', 1), id)
end

-- Take a campaign out of both rotations, and out of those that wait for their time.
local function unqueue_campaign(id)
  redis.call('ZREM', key_of_sender('rotation'), id)
  redis.call('ZREM', key_of_sender('rotation:own'), id)
  redis.call('ZREM', key_of_sender('waiting'), id)
end

-- Put a batch into its window; the campaign counts its batches there.
local function enter_window(campaign_key, member)
  local window_key = has_own_limit(campaign_key) and key_of_sender('window:own') or key_of_sender('window')
  if redis.call('SADD', window_key, member) == 1 then redis.call('HINCRBY', campaign_key, 'batches_out', 1) end
end

-- Take a batch out of its window.
local function leave_window(campaign_key, member)
  local is_own = has_own_limit(campaign_key)
  local window_key = is_own and key_of_sender('window:own') or key_of_sender('window')
  if redis.call('SREM', window_key, member) == 0 then return end
  redis.call('HINCRBY', campaign_key, 'batches_out', -1)
  -- A campaign at its own limit gave up its turn, and gets it back now.
  if is_own then queue_campaign(string.match(member, '^%w+'), campaign_key) end
end
