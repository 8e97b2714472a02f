-- uses: names keys memory clock damage leases
--
-- End leases that ran out. A batch that no worker took is issued again, once for each lease time, because its wake-up
-- may have been lost with a worker. A batch whose worker is gone is reclaimed, and is issued again at the campaign's
-- next turn.
--
-- Arguments
--   lease_ms     how long a lease lasts
--   max_batches  how many batches one call processes
--   decided_ms   when upkeep found that workers could renew their leases (epoch, milliseconds): only leases that had
--                run out at that time end, because Redis' clock may be set between that time and this call; 0 is now
-- Reply
--   reclaimed  how many batches were reclaimed
--   in_doubt   how many messages of these batches are in doubt now
--   ready      a list of replies, one for each batch that is issued again: campaign, batch_number, batches, name,
--              urgent
--   damaged    a list of replies, one for each batch that cannot be reclaimed: campaign, batch_number, error
-- Keys: the sender's leases, batches_out, settle_due, rotation and changed; campaign, lease, messages, redo and codes
--   of each batch.
-- Atomic: the end of a lease and the states of the batch's messages.
-- Cost: O(batches x messages).
-- A damaged batch keeps its lease for a while, and does not delay other batches; the caller brakes the batch's
-- campaign.

local args = arguments({'lease_ms', 'max_batches', 'decided_ms'})
local lease_ms, leases_key = tonumber(args.lease_ms), key_of_sender('leases')
local now = now_us()
local now_ms = math.floor(now / 1000)
local decided_ms = args.decided_ms == '0' and now_ms or tonumber(args.decided_ms)
local reclaimed, in_doubt, ready, damaged = 0, 0, {}, {}

local function reissue(member, id, batch_number, campaign)
  local batch = reply({
    campaign = id, batch_number = tonumber(batch_number), batches = tonumber(campaign.batches),
    name = cjson.decode(campaign.plan).name, urgent = tonumber(campaign.urgent),
  })
  redis.call('ZADD', leases_key, now_ms + lease_ms, member)
  ready[#ready + 1] = batch
end

local function reclaim_or_reissue(member)
  local id, batch_number = split_batch_member(member)
  local campaign_key = key_of_campaign(id)
  local lease_key = key_of_batch(campaign_key, LEASE, batch_number)
  local campaign = read_fields(campaign_key, 'state', 'batches', 'plan', 'urgent', 'until_ms')
  local runs = campaign.state == 'running' and tonumber(campaign.until_ms) > now_ms
  if runs and redis.call('HEXISTS', lease_key, 'token') == 0 then
    reissue(member, id, batch_number, campaign)
  else
    in_doubt = in_doubt + reclaim(id, campaign_key, tonumber(batch_number), now)
    reclaimed = reclaimed + 1
  end
end

local function postpone_damaged(member, failure)
  local id, batch_number = split_batch_member(member)
  redis.call('ZADD', leases_key, now_ms + DAMAGED_MS, member)
  damaged[#damaged + 1] = reply({
    campaign = id or member, batch_number = batch_number or '', error = error_text(failure),
  })
end

-- Return the longest remaining time that a lease can have, in milliseconds.
local function max_lease_ms(member)
  local id, batch_number = split_batch_member(member)
  local lease_key = key_of_batch(key_of_campaign(id), LEASE, batch_number)
  -- The pause after a failure (FailurePolicy in ledger/push_results.py) is shorter than DAMAGED_MS.
  return math.max(tonumber(redis.call('HGET', lease_key, 'lease_ms') or '0'), lease_ms, DAMAGED_MS)
end

-- Return the batches whose leases ran out, and the batches whose leases end later than any lease can: such leases were
-- written before Redis' clock was set back, and their workers had enough time to renew them.
local function expired_batches()
  -- If the clock was set after decided_ms, a lease may have been renewed by the clock before or after the change.
  local earlier_ms, later_ms = math.min(decided_ms, now_ms), math.max(decided_ms, now_ms)
  local members = redis.call('ZRANGEBYSCORE', leases_key, '-inf', earlier_ms, 'LIMIT', 0, args.max_batches)
  local later = redis.call('ZREVRANGEBYSCORE', leases_key, '+inf', '(' .. later_ms + math.max(lease_ms, DAMAGED_MS),
    'WITHSCORES', 'LIMIT', 0, args.max_batches)
  for position = 1, #later, 2 do
    local is_sound, max_ms = pcall(max_lease_ms, later[position])
    if is_sound and tonumber(later[position + 1]) > later_ms + max_ms then members[#members + 1] = later[position] end
  end
  return members
end

run_without_memory()
for _, member in ipairs(expired_batches()) do
  local is_sound, failure = pcall(reclaim_or_reissue, member)
  if not is_sound then postpone_damaged(member, failure) end
end
return reply({reclaimed = reclaimed, in_doubt = in_doubt, ready = ready, damaged = damaged})
