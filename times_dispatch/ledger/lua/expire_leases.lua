-- uses: names keys memory clock damage leases
--
-- Look after leases that ran out. A batch that no worker took is announced again, once for each lease time: its wake-up
-- may have died with a worker. A batch whose worker is gone is reclaimed; it is announced when it is handed out again.
--
-- Arguments
--   lease_ms      how long a lease is
--   max_batches   how many batches are looked after per call
--   may_announce  1, or 0 while so many wake-ups wait in the broker that no more shall be sent
--   decided_ms    when upkeep found that workers could renew their leases (epoch, milliseconds): only leases that had
--                 run out by then count, for Redis' clock may jump between that moment and this call; 0 is now
-- Reply
--   reclaimed  how many batches were reclaimed
--   in_doubt   how many messages of them are in doubt now
--   ready      a list of replies, one for each batch to announce: campaign, number, batches, name, urgent
--   damaged    a list of replies, one for each batch that cannot be reclaimed: campaign, number, error
-- Keys: the sender's leases, window, due, rotation and changed; campaign, lease, messages, redo and codes of each
-- batch.
-- Atomic: the end of a lease and what becomes of the batch's messages.
-- Cost: O(batches x messages).
-- A damaged batch keeps its lease for a while, and costs no other batch anything; the caller brakes its campaign.

local args = arguments({'lease_ms', 'max_batches', 'may_announce', 'decided_ms'})
local lease_ms, leases_key = tonumber(args.lease_ms), key_of_sender('leases')
local now = now_us()
local now_ms = math.floor(now / 1000)
local decided_ms = args.decided_ms == '0' and now_ms or tonumber(args.decided_ms)
local reclaimed, in_doubt, ready, damaged = 0, 0, {}, {}

local function announce(member, id, number, campaign)
  local batch = reply({
    campaign = id, number = tonumber(number), batches = tonumber(campaign.batches),
    name = cjson.decode(campaign.plan).name, urgent = tonumber(campaign.urgent),
  })
  redis.call('ZADD', leases_key, now_ms + lease_ms, member)
  if args.may_announce == '1' then ready[#ready + 1] = batch end
end

local function look_after(member)
  local id, number = split_batch_member(member)
  local campaign_key = key_of_campaign(id)
  local lease_key = key_of_batch(campaign_key, LEASE, number)
  local campaign = read_fields(campaign_key, 'state', 'batches', 'plan', 'urgent', 'until_ms')
  local runs = campaign.state == 'running' and tonumber(campaign.until_ms) > now_ms
  if runs and redis.call('HEXISTS', lease_key, 'token') == 0 then
    announce(member, id, number, campaign)
  else
    in_doubt = in_doubt + reclaim(id, campaign_key, tonumber(number), now)
    reclaimed = reclaimed + 1
  end
end

local function leave_out(member, failure)
  local id, number = split_batch_member(member)
  redis.call('ZADD', leases_key, now_ms + DAMAGED_MS, member)
  damaged[#damaged + 1] = reply({campaign = id or member, number = number or '', error = error_text(failure)})
end

-- Return the longest time for which a lease can still run, in milliseconds.
local function max_lease_ms(member)
  local id, number = split_batch_member(member)
  local lease_key = key_of_batch(key_of_campaign(id), LEASE, number)
  -- The pause after a failure (FailurePolicy in ledger/leases.py) is shorter than DAMAGED_MS.
  return math.max(tonumber(redis.call('HGET', lease_key, 'lease_ms') or '0'), lease_ms, DAMAGED_MS)
end

-- Return the batches whose leases ran out, and those whose leases end later than any can: these were written before
-- Redis' clock was set back, and their workers had the time to renew them.
local function batches_over()
  local members = redis.call('ZRANGEBYSCORE', leases_key, '-inf', decided_ms, 'LIMIT', 0, args.max_batches)
  local later = redis.call('ZREVRANGEBYSCORE', leases_key, '+inf', '(' .. decided_ms + math.max(lease_ms, DAMAGED_MS),
    'WITHSCORES', 'LIMIT', 0, args.max_batches)
  for position = 1, #later, 2 do
    local is_sound, max_ms = pcall(max_lease_ms, later[position])
    if is_sound and tonumber(later[position + 1]) > decided_ms + max_ms then members[#members + 1] = later[position] end
  end
  return members
end

run_without_memory()
for _, member in ipairs(batches_over()) do
  local is_sound, failure = pcall(look_after, member)
  if not is_sound then leave_out(member, failure) end
end
return reply({reclaimed = reclaimed, in_doubt = in_doubt, ready = ready, damaged = damaged})
