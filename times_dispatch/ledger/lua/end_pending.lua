-- uses: names keys memory clock states records damage campaigns
--
-- End what is pending in some batches of a campaign that was cancelled, or whose validity is over. Safe to repeat.
--
-- Arguments
--   campaign     the id of the campaign
--   first        the first batch
--   max_batches  how many batches are looked at
--   state        the state that the messages get: cancelled or expired, as a MessageState
-- Reply
--   next_batch  where the next call goes on; the number of all batches if this was the last
--   ended       how many messages were ended
--   damaged     a list of replies, one for each batch that cannot be ended: number, error
-- Keys: campaign and messages of each batch; the sender's pace, leases, ends, rotation and changed.
-- Atomic: the states and the counters.
-- Cost: O(batches x messages); O(1) if nothing is pending.
-- Batches that are out for work are passed over: they come back soon, and the next round begins with the first batch
-- again. A campaign of which nothing is pending or sending is not looked at again.
local args = arguments({'campaign', 'first', 'max_batches', 'state'})
local id, to, campaign_key = args.campaign, args.state, key_of_campaign(args.campaign)
local ends_key = key_of_sender('ends')
local now = now_us()
local damaged = {}

-- Say whether nothing more goes from the campaign.
local function is_over(campaign)
  if to == CANCELLED then return campaign.state == 'cancelled' end
  return tonumber(campaign.until_ms) <= now / 1000
end

-- End what is pending in a batch; return how many messages.
local function end_batch(number)
  local messages_key = key_of_batch(campaign_key, MESSAGES, number)
  if redis.call('ZSCORE', key_of_sender('leases'), batch_member(id, number)) then return 0 end
  local count = batch_count(campaign_key, number)
  check_records(messages_key, count)
  local states = redis.call('GETRANGE', messages_key, 0, count - 1)
  if states == '' then
    redis.call('SET', messages_key, string.rep(to, count) .. string.rep(EMPTY_RECORD, count))
    return count
  end
  local new_states, changed = string.gsub(states, PENDING, to)
  if changed > 0 then redis.call('SETRANGE', messages_key, 0, new_states) end
  return changed
end

-- End batches from `first` on; return the batch after the last, and how many messages were ended.
local function end_batches(first, batches, pending)
  local number, ended = first, 0
  local last = math.min(batches, first + tonumber(args.max_batches))
  while ended < pending and number < last do
    local is_sound, outcome = pcall(end_batch, number)
    if is_sound then
      ended = ended + outcome
    else
      damaged[#damaged + 1] = reply({number = number, error = error_text(outcome)})
    end
    number = number + 1
  end
  return number, ended
end

ask_for_memory()
local campaign = read_fields(campaign_key, 'state', 'batches', 'until_ms', PENDING, SENDING)
local batches, pending, sending = tonumber(campaign.batches), tonumber(campaign[PENDING]), tonumber(campaign[SENDING])
if not is_over(campaign) then return reply({next_batch = batches, ended = 0, damaged = {}}) end
local next_batch, ended = end_batches(tonumber(args.first), batches, pending)
if ended > 0 then
  redis.call('HINCRBY', campaign_key, PENDING, -ended)
  redis.call('HINCRBY', campaign_key, to, ended)
  mark_changed(id)
end
if ended == pending then
  next_batch = batches
  if sending == 0 then redis.call('ZREM', ends_key, id) end
end
finish_if_done(id, campaign_key, now)
return reply({next_batch = next_batch, ended = ended, damaged = damaged})
