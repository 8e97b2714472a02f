-- uses: names keys memory clock states records damage campaigns leases
--
-- End what is pending in some batches of a campaign that was cancelled, or whose validity is over. Safe to repeat.
-- What is pending because it was in doubt and was to be sent again is given up: its first attempt may have gone out.
-- Needs no memory: of batches that were never taken, only the campaign says that they ended (unopened_state).
--
-- Arguments
--   campaign     the id of the campaign
--   max_batches  how many batches are looked at; the next call goes on after them
--   state        the state that the messages get: cancelled or expired, as a MessageState
-- Reply
--   is_over     1 if this was the last call of a round, else 0
--   ended       how many messages were ended, those that were given up included
--   damaged     a list of replies, one for each batch that cannot be ended: number, error
-- Keys: campaign, its codes and redo list, messages and lease of each batch; the sender's leases, windows, ends,
-- rotations, changed, live and ended.
-- Atomic: the states and the counters.
-- Cost: O(batches), and O(messages) of the batches that were taken before; O(1) if nothing is pending.
-- Batches that are out for work are passed over: they come back soon, and the next round begins with the first batch
-- again. A batch that no worker has taken yet is not waited for. A campaign of which nothing is pending or sending is
-- not looked at again.

-- The code of a message that was to be sent again, and was not; Failure.NOT_SENT_AGAIN in provider/failures.py.
local NOT_SENT_AGAIN = 16

local args = arguments({'campaign', 'max_batches', 'state'})
local id, to, campaign_key = args.campaign, args.state, key_of_campaign(args.campaign)
local ends_key = key_of_sender('ends')
local now = now_us()
local damaged = {}

-- Say whether nothing more goes from the campaign.
local function is_over(campaign)
  if to == CANCELLED then return campaign.state == 'cancelled' end
  return tonumber(campaign.until_ms) <= now / 1000
end

-- Give up the pending messages that were pushed before; return the states afterwards, and how many changed.
local function give_up_second_attempts(messages_key, states, count)
  local records, given_up = redis.call('GETRANGE', messages_key, count, -1), 0
  local at = string.find(states, PENDING, 1, true)
  while at do
    local attempt = string.byte(records, (at - 1) * WIDTH + 1)
    if attempt > 0 then
      -- The record is about the attempt that may have gone out.
      local first = record_range(count, at - 1)
      redis.call('SETRANGE', messages_key, first, string.char(attempt - 1))
      redis.call('SETRANGE', messages_key, first + CODE_OFFSET, struct.pack('>I2', NOT_SENT_AGAIN))
      redis.call('SETRANGE', messages_key, at - 1, GIVEN_UP)
      given_up = given_up + 1
    end
    at = string.find(states, PENDING, at + 1, true)
  end
  return redis.call('GETRANGE', messages_key, 0, count - 1), given_up
end

-- End a batch without records; return how many messages were pending in it. Batches are ended in order, so that the
-- campaign's fields say it of all of them.
local function end_unopened(number, unopened)
  if number < unopened.before then return 0 end
  local member = batch_member(id, number)
  if redis.call('ZSCORE', key_of_sender('leases'), member) then drop_lease(campaign_key, number, member) end
  unopened.ended = unopened.ended + batch_count(campaign_key, number)
  return batch_count(campaign_key, number)
end

-- End what is pending in a batch that has records; return how many messages got the state, and how many were given up.
local function end_opened(number, messages_key, has_resent)
  if redis.call('ZSCORE', key_of_sender('leases'), batch_member(id, number)) then return 0, 0 end
  local count = batch_count(campaign_key, number)
  check_records(messages_key, count)
  local states, given_up = redis.call('GETRANGE', messages_key, 0, count - 1), 0
  if has_resent then states, given_up = give_up_second_attempts(messages_key, states, count) end
  local new_states, changed = string.gsub(states, PENDING, to)
  if changed > 0 then redis.call('SETRANGE', messages_key, 0, new_states) end
  return changed, given_up
end

local function end_batch(number, unopened, has_resent)
  local messages_key = key_of_batch(campaign_key, MESSAGES, number)
  if redis.call('EXISTS', messages_key) == 1 then return end_opened(number, messages_key, has_resent) end
  return end_unopened(number, unopened), 0
end

-- End batches from `first` on; return the batch after the last, how many messages were ended, and how many of these
-- were given up.
local function end_batches(first, batches, pending, unopened, has_resent)
  local number, ended, given_up = first, 0, 0
  local last = math.min(batches, first + tonumber(args.max_batches))
  while ended < pending and number < last do
    local is_sound, outcome, of_batch = pcall(end_batch, number, unopened, has_resent)
    if is_sound then
      ended, given_up = ended + outcome + of_batch, given_up + of_batch
    else
      damaged[#damaged + 1] = reply({number = number, error = error_text(outcome)})
    end
    number = number + 1
  end
  return number, ended, given_up
end

run_without_memory()
local campaign = read_fields(campaign_key, 'state', 'batches', 'until_ms', 'ended_batches', 'unopened_state',
  'unopened_before', 'resent', PENDING, SENDING)
local batches, pending, sending = tonumber(campaign.batches), tonumber(campaign[PENDING]), tonumber(campaign[SENDING])
if not is_over(campaign) then return reply({is_over = 1, ended = 0, damaged = {}}) end
local unopened = {before = tonumber(campaign.unopened_before or '0'), ended = 0}
local first = math.min(tonumber(campaign.ended_batches or '0'), unopened.before)
local next_batch, ended, given_up = end_batches(first, batches, pending, unopened, campaign.resent)
-- The fields hold one state: if the validity ended first and a cancel came later, all these messages count as expired.
local unopened_state = campaign.unopened_state or to
if unopened.ended > 0 then redis.call('HSET', campaign_key, 'unopened_state', unopened_state) end
redis.call('HSET', campaign_key, 'unopened_before', math.max(unopened.before, next_batch))
if ended > 0 then
  redis.call('HINCRBY', campaign_key, PENDING, -ended)
  if unopened.ended > 0 then redis.call('HINCRBY', campaign_key, unopened_state, unopened.ended) end
  if ended > unopened.ended then redis.call('HINCRBY', campaign_key, to, ended - unopened.ended - given_up) end
  if given_up > 0 then
    redis.call('HINCRBY', campaign_key, GIVEN_UP, given_up)
    redis.call('HINCRBY', key_of_codes(campaign_key), 'push:' .. NOT_SENT_AGAIN, given_up)
  end
  mark_changed(id)
end
if ended == pending then
  -- Nothing is left to hand out, also if the validity is extended later.
  redis.call('HSET', campaign_key, 'next_batch', batches)
  redis.call('DEL', key_of_redo(campaign_key))
  next_batch = batches
  if sending == 0 then redis.call('ZREM', ends_key, id) end
end
redis.call('HSET', campaign_key, 'ended_batches', next_batch < batches and next_batch or 0)
finish_if_done(id, campaign_key, now)
return reply({is_over = next_batch < batches and 0 or 1, ended = ended, damaged = damaged})
