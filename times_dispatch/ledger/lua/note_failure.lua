-- uses: names keys memory clock states records campaigns leases
--
-- Take back a batch on which a worker failed for a reason that the ledger does not know, and note the failure. The
-- batch is out again without an owner, and is announced after a pause: another worker may succeed. Fenced by the token.
--
-- Arguments
--   campaign, number  the batch
--   token             the fencing token of the worker's lease; empty if no worker holds the batch
--   worker            the name of the worker, without blanks
--   kind              the kind of error, without blanks
--   reason            why the campaign is braked, if it is
--   max_failures      after so many failures on the batch, of two workers at least, the campaign is braked
--   max_alone         the same, of one worker or of more
--   pauses_ms         a list of times, pause_ms: how long the pause is after the first failure, the second, …; the last
--                     of them for all after it
-- Reply: status is one of
--   noted  failures: how many times workers failed on this batch; braked: 1 if the campaign is braked for that, else 0
--   lost   the lease went to another worker
-- Keys: campaign, lease, messages, redo, codes and failures of the batch; the sender's leases, window, due, rotation.
-- Atomic: the note, the end of the lease and what becomes of the batch's messages.
-- Cost: O(messages of the batch).
-- A failure that leaves messages in doubt brakes the campaign at once: their pushes began, and nobody could write what
-- came of them. The note is dropped when a worker releases the batch, or a person resumes the campaign.
local args = arguments({'campaign', 'number', 'token', 'worker', 'kind', 'reason', 'max_failures', 'max_alone'},
  {pauses_ms = {'pause_ms'}})
local number, campaign_key = args.number, key_of_campaign(args.campaign)
local lease_key, failures_key = key_of_batch(campaign_key, LEASE, number), key_of_failures(campaign_key)
local leases_key, member = key_of_sender('leases'), batch_member(args.campaign, number)

-- Add this failure to the note. Returns how many failures there were, and of how many workers.
local function note()
  local failures, names = string.match(redis.call('HGET', failures_key, number) or '', '^(%d+) %S+ (.+)$')
  failures, names = tonumber(failures or '0') + 1, names or args.worker
  local workers, is_known = 0, false
  for name in string.gmatch(names, '%S+') do
    workers, is_known = workers + 1, is_known or name == args.worker
  end
  if not is_known then names, workers = names .. ' ' .. args.worker, workers + 1 end
  redis.call('HSET', failures_key, number, failures .. ' ' .. args.kind .. ' ' .. names)
  return failures, workers
end

ask_for_memory()
if (redis.call('HGET', lease_key, 'token') or '') ~= args.token then return reply({status = 'lost'}) end
local now = now_us()
local failures, workers = note()
local count = batch_count(campaign_key, number)
local states = redis.call('GETRANGE', key_of_batch(campaign_key, MESSAGES, number), 0, count - 1)
local is_enough = failures >= tonumber(args.max_alone) or (workers > 1 and failures >= tonumber(args.max_failures))
local braked = is_enough or string.find(states, SENDING, 1, true) ~= nil
-- Before the batch is taken back: with nothing pending the campaign would be finished then.
if braked then brake_campaign(args.campaign, campaign_key, args.reason) end
local is_out = args.token == ''
if not is_out then
  reclaim(args.campaign, campaign_key, tonumber(number), now)
  is_out = redis.call('LREM', key_of_redo(campaign_key), 1, number) == 1
end
local pause_ms = tonumber(args.pauses_ms[math.min(failures, #args.pauses_ms)])
if is_out then redis.call('ZADD', leases_key, math.floor(now / 1000) + pause_ms, member) end
mark_changed(args.campaign)
return reply({status = 'noted', failures = failures, braked = braked and 1 or 0})
