-- uses: names keys memory clock states records campaigns leases
--
-- Take back a batch on which a worker failed because of an unexpected error, and note the failure. After a pause the
-- batch is issued again: another worker may succeed. Fenced by the token.
--
-- Arguments
--   campaign, batch_number  the batch
--   token                   the fencing token of the worker's lease; empty if no worker holds the batch
--   worker                  the name of the worker, without blanks
--   kind                    the kind of error, without blanks
--   reason                  why the campaign is braked, if it is braked; for people
--   max_failures            after this many failures on the batch, of two workers at least, the campaign is braked
--   max_alone               after this many failures on the batch, of any workers, the campaign is braked
--   pauses_ms               a list, pause_ms of each item: the pause in milliseconds after the first failure, after the
--                           second, and so on; the last one for all later failures
-- Reply: status is one of
--   noted  failures: how many times workers failed on this batch; is_braked: 1 if this braked the campaign, else 0
--   lost   the lease went to another worker
-- Keys: campaign, lease, messages, redo, codes and failures of the batch; the sender's leases, batches_out, settle_due,
--   rotation and changed.
-- Atomic: the note, the end of the lease and the states of the batch's messages.
-- Cost: O(messages of the batch).
-- A failure that leaves messages in doubt brakes the campaign at once, because the pushes of these messages began, and
-- the worker could not write their results. The note is deleted when a worker releases the batch, or a person resumes
-- the campaign.
local args = arguments({'campaign', 'batch_number', 'token', 'worker', 'kind', 'reason', 'max_failures', 'max_alone'},
  {pauses_ms = {'pause_ms'}})
local batch_number, campaign_key = args.batch_number, key_of_campaign(args.campaign)
local lease_key, failures_key = key_of_batch(campaign_key, LEASE, batch_number), key_of_failures(campaign_key)
local leases_key, member = key_of_sender('leases'), batch_member(args.campaign, batch_number)

-- Add this failure to the note. Returns how many failures the note counts, and of how many workers.
local function note()
  local failures, names = string.match(redis.call('HGET', failures_key, batch_number) or '', '^(%d+) %S+ (.+)$')
  failures, names = tonumber(failures or '0') + 1, names or args.worker
  local workers, is_known = 0, false
  for name in string.gmatch(names, '%S+') do
    workers, is_known = workers + 1, is_known or name == args.worker
  end
  if not is_known then names, workers = names .. ' ' .. args.worker, workers + 1 end
  redis.call('HSET', failures_key, batch_number, failures .. ' ' .. args.kind .. ' ' .. names)
  return failures, workers
end

fail_if_memory_is_full()
if (redis.call('HGET', lease_key, 'token') or '') ~= args.token then return reply({status = 'lost'}) end
local now = now_us()
local failures, workers = note()
local count = batch_count(campaign_key, batch_number)
local states = redis.call('GETRANGE', key_of_batch(campaign_key, MESSAGES, batch_number), 0, count - 1)
local is_enough = failures >= tonumber(args.max_alone) or (workers > 1 and failures >= tonumber(args.max_failures))
local is_braked = is_enough or string.find(states, SENDING, 1, true) ~= nil
-- The campaign is braked before the batch is taken back, because taking the batch back may finish the campaign.
if is_braked then brake_campaign(args.campaign, campaign_key, args.reason) end
local is_out = args.token == ''
if not is_out then
  reclaim(args.campaign, campaign_key, tonumber(batch_number), now)
  is_out = redis.call('LREM', key_of_redo(campaign_key), 1, batch_number) == 1
end
local pause_ms = tonumber(args.pauses_ms[math.min(failures, #args.pauses_ms)])
if is_out then redis.call('ZADD', leases_key, math.floor(now / 1000) + pause_ms, member) end
mark_changed(args.campaign)
return reply({status = 'noted', failures = failures, is_braked = is_braked and 1 or 0})
