-- uses: names keys clock states send_window rotation trail
-- Changes of the state of a campaign: how a campaign is finished, and how it is stopped.

-- Note that something of a campaign changed, so that upkeep updates the campaign's row in Flower.
local function mark_changed(id)
  redis.call('SADD', key_of_sender('changed'), id)
end

-- Return why no message of a campaign may be sent now, from the campaign's fields state, start_ms, until_ms,
-- send_window_opens_ms and send_window_closes_ms; nil if messages may be sent.
local function why_closed(campaign, now_ms)
  if campaign.state ~= 'running' then return campaign.state end
  if tonumber(campaign.start_ms) > now_ms then return 'scheduled' end
  if tonumber(campaign.until_ms) <= now_ms then return 'expired' end
  if is_outside_send_window(campaign, now_ms) then return 'outside_send_window' end
  return nil
end

-- Move a campaign into the index of the sender's live campaigns, which are neither finished nor cancelled.
local function index_as_live(id)
  redis.call('SADD', key_of_sender('live'), id)
  redis.call('ZREM', key_of_sender('ended'), id)
end

-- Move a campaign into the index of the sender's ended campaigns, which are finished or cancelled.
local function index_as_ended(id, campaign_key)
  redis.call('SREM', key_of_sender('live'), id)
  redis.call('ZADD', key_of_sender('ended'), tonumber(redis.call('HGET', campaign_key, 'created_ms') or '0'), id)
end

-- Finish a campaign if none of its messages is pending or sending; return whether the campaign was finished. A paused
-- or braked campaign is not finished while one of its messages is in doubt: if the message is to be sent again, it
-- waits until a person resumes the campaign. A campaign with a rule for second tries goes on until its validity is
-- over, as long as a message waits for a second try or for its report: the report may bring a second try.
local function finish_if_done(id, campaign_key, now)
  local campaign = read_fields(campaign_key, 'state', 'retry_codes', 'retries_waiting', 'until_ms', PENDING, SENDING,
    IN_DOUBT, ACCEPTED)
  local is_stopped = campaign.state == 'paused' or campaign.state == 'braked'
  local may_finish = campaign.state == 'running' or (is_stopped and tonumber(campaign[IN_DOUBT]) == 0)
  if not may_finish or tonumber(campaign[PENDING]) > 0 or tonumber(campaign[SENDING]) > 0 then return false end
  if campaign.retry_codes and tonumber(campaign.until_ms) > now / 1000 then
    local open = tonumber(campaign.retries_waiting or '0') + campaign[ACCEPTED] + campaign[IN_DOUBT]
    if open > 0 then return false end
  end
  redis.call('HSET', campaign_key, 'state', 'finished', 'reason', '', 'finished_ms', math.floor(now / 1000))
  index_as_ended(id, campaign_key)
  unqueue_campaign(id)
  return true
end

-- Stop a running campaign until a person resumes it. `reason` is a StopReason of ledger/protocol.py, or a text for
-- people. `detail` is a number that belongs to the reason, empty for most reasons.
local function brake_campaign(id, campaign_key, reason, detail)
  if redis.call('HGET', campaign_key, 'state') ~= 'running' then return end
  redis.call('HSET', campaign_key, 'state', 'braked', 'reason', reason, 'reason_detail', detail or '',
    'stopped_us', string.format('%.0f', now_us()))
  unqueue_campaign(id)
  note_brake(id, reason, detail)
end
