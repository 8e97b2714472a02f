-- uses: names keys clock states hours rotation
-- The course of a campaign: what finishes it, what stops it.

-- Note that something of a campaign changed, so that upkeep shows it.
local function mark_changed(id)
  redis.call('SADD', key_of_sender('changed'), id)
end

-- Return why nothing of a campaign may go now, from its fields state, start_ms, until_ms, opens_ms and closes_ms; nil
-- if something may.
local function why_closed(campaign, now_ms)
  if campaign.state ~= 'running' then return campaign.state end
  if tonumber(campaign.start_ms) > now_ms then return 'scheduled' end
  if tonumber(campaign.until_ms) <= now_ms then return 'expired' end
  if is_outside_hours(campaign, now_ms) then return 'outside_hours' end
  return nil
end

-- Keep a campaign in the index of the sender's live campaigns: those that are neither finished nor cancelled.
local function index_as_live(id)
  redis.call('SADD', key_of_sender('live'), id)
  redis.call('ZREM', key_of_sender('ended'), id)
end

-- Keep a campaign in the index of those that are finished or cancelled.
local function index_as_ended(id, campaign_key)
  redis.call('SREM', key_of_sender('live'), id)
  redis.call('ZADD', key_of_sender('ended'), tonumber(redis.call('HGET', campaign_key, 'created_ms') or '0'), id)
end

-- Finish a campaign if nothing of it is pending or sending; return whether it was finished. A paused or braked campaign
-- stays as it is while something is in doubt: if that is sent again, it waits for a person's resume.
local function finish_if_done(id, campaign_key, now)
  local campaign = read_fields(campaign_key, 'state', PENDING, SENDING, IN_DOUBT)
  local is_held = campaign.state == 'paused' or campaign.state == 'braked'
  local may_finish = campaign.state == 'running' or (is_held and tonumber(campaign[IN_DOUBT]) == 0)
  if not may_finish or tonumber(campaign[PENDING]) > 0 or tonumber(campaign[SENDING]) > 0 then return false end
  redis.call('HSET', campaign_key, 'state', 'finished', 'reason', '', 'finished_ms', math.floor(now / 1000))
  index_as_ended(id, campaign_key)
  unqueue_campaign(id)
  return true
end

-- Stop a running campaign until a person resumes it. The reason is a StopReason of ledger/protocol.py, or a text for
-- people.
local function brake_campaign(id, campaign_key, reason)
  if redis.call('HGET', campaign_key, 'state') ~= 'running' then return end
  redis.call('HSET', campaign_key, 'state', 'braked', 'reason', reason, 'held_us', string.format('%.0f', now_us()))
  unqueue_campaign(id)
end
