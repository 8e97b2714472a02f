-- Change the course of a campaign. It acts at the next block: nothing opens for a campaign that is not running.
-- ARGV: id, action (pause | resume | cancel | brake), reason
-- Reply: {changed 0|1, state afterwards}; an error if there is no such campaign. O(1).
-- One that is finished can be cancelled while something of it is in doubt, so that this is not sent again. One that has nothing left to
-- send is finished by its resume.
local id, action, reason = ARGV[1], ARGV[2], ARGV[3]
local campaign = campaign_key(id)
local about = redis.call('HMGET', campaign, 'state', 'i')
local state = about[1]
if not state then return redis.error_reply('NOCAMPAIGN the campaign is not there') end
local FROM = {
  pause = {running = 'paused', braked = 'paused'},
  resume = {paused = 'running', braked = 'running'},
  cancel = {submitting = 'cancelled', running = 'cancelled', paused = 'cancelled', braked = 'cancelled'},
  brake = {running = 'braked'},
}
local to = FROM[action][state]
if action == 'cancel' and state == 'finished' and tonumber(about[2]) > 0 then to = 'cancelled' end
if not to then return {0, state} end
redis.call('HSET', campaign, 'state', to, 'reason', reason)
redis.call('SADD', TAG .. ':moved', id)
unqueue_campaign(id)
if to == 'running' then
  forget_bad(campaign)
  -- Who resumes it after its start has not missed that.
  if tonumber(redis.call('HGET', campaign, 'start_ms')) <= now_us() / 1000 then redis.call('HDEL', campaign, 'missed_start') end
  queue_campaign(id, campaign)
  if finish_if_done(id, campaign, now_us()) == 1 then to = 'finished' end
elseif to == 'cancelled' then
  redis.call('HDEL', campaign, 'finished_ms')
  redis.call('ZADD', TAG .. ':ends', 0, id)
end
return {1, to}
