-- uses: names keys memory clock states rotation campaigns brakes retries trail
--
-- Pause, resume, cancel or brake a campaign. The change takes effect with the next block: no block is opened for a
-- campaign that is not running. Safe to repeat.
--
-- Arguments
--   campaign    the id of the campaign
--   action      a ControlAction
--   reason      why the campaign is paused, braked or cancelled: a StopReason, or a text for people
--   decided_us  when the person decided (epoch, microseconds): a campaign that was paused or braked since is not
--               resumed, and keeps its reason, so that a call that is repeated later undoes no pause and no brake; 0 if
--               the moment does not matter
--   replaces_reason  1 if a pause gives a paused campaign its reason, 0 if the campaign keeps the reason that it has
--   trail       the entry of the trail about the change, see lib/trail.lua; empty: the change is not noted
-- Reply: status is changed or unchanged, with state: the campaign's state afterwards; or no_campaign.
-- Keys: campaign, and its recent_push, recent_report and retries; the sender's hash, rotations, waiting, changed,
--   validity_ends, live, ended and trail.
-- Atomic: the state and the campaign's place in the rotation.
-- Cost: O(1).
-- A finished campaign can be cancelled while messages of it are in doubt, so that these messages are not sent again. A
-- resume finishes a campaign that has no messages left to send. A cancel ends the waits for second tries.
local NEW_STATES = {
  pause = {running = 'paused', braked = 'paused'},
  resume = {paused = 'running', braked = 'running'},
  cancel = {submitting = 'cancelled', running = 'cancelled', paused = 'cancelled', braked = 'cancelled'},
  brake = {running = 'braked'},
}

local args = arguments({'campaign', 'action', 'reason', 'decided_us', 'replaces_reason', 'trail'})
local id, campaign_key = args.campaign, key_of_campaign(args.campaign)
local now = now_us()

-- Put a campaign that runs again into its rotation. Returns its state.
local function resume(start_ms)
  reset_brakes(campaign_key)
  redis.call('DEL', key_of_failures(campaign_key))
  -- A resume after a missed start starts the campaign, so the start no longer counts as missed.
  if start_ms <= now / 1000 then redis.call('HDEL', campaign_key, 'missed_start') end
  queue_campaign(id, campaign_key)
  return finish_if_done(id, campaign_key, now) and 'finished' or 'running'
end

run_without_memory()
local campaign = read_fields(campaign_key, 'state', IN_DOUBT, 'start_ms', 'stopped_us')
if not campaign.state then return reply({status = 'no_campaign'}) end
local state = NEW_STATES[args.action][campaign.state]
if args.action == 'cancel' and campaign.state == 'finished' and tonumber(campaign[IN_DOUBT]) > 0 then
  state = 'cancelled'
end
if args.action == 'pause' and campaign.state == 'paused' and args.replaces_reason == '1' then state = 'paused' end
local stopped_us = tonumber(campaign.stopped_us or '0')
-- A time in the future was written before the clock was set back, and does not count.
local was_stopped_since = stopped_us >= tonumber(args.decided_us) and stopped_us <= now
local acts_on_a_stop = args.action == 'resume' or (args.action == 'pause' and campaign.state == 'paused')
if acts_on_a_stop and was_stopped_since then state = nil end
if not state then return reply({status = 'unchanged', state = campaign.state}) end
redis.call('HSET', campaign_key, 'state', state, 'reason', args.reason)
note_in_trail(args.trail)
if state == 'paused' or state == 'braked' then
  redis.call('HSET', campaign_key, 'stopped_us', string.format('%.0f', now))
end
mark_changed(id)
unqueue_campaign(id)
if state == 'running' then
  state = resume(tonumber(campaign.start_ms))
elseif state == 'cancelled' then
  redis.call('HDEL', campaign_key, 'finished_ms')
  end_waits_for_second_tries(campaign_key)
  redis.call('ZADD', key_of_sender('validity_ends'), 0, id)
  index_as_ended(id, campaign_key)
end
return reply({status = 'changed', state = state})
