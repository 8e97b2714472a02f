-- uses: names keys memory clock states campaigns trail
--
-- Create a campaign that sends nothing yet, or say how many batches an earlier submit of the campaign stored. Safe to
-- repeat.
--
-- Arguments
--   campaign            the id of the campaign
--   plan                the campaign's settings for workers: a Plan in JSON
--   schema              the minor schema that a worker needs for the campaign, see ledger/schema.py
--   batch_size          messages of a full batch
--   rate                the campaign's own limit per second; 0: none
--   cost_unit           the unit of the rate: messages or parts
--   start_ms, until_ms  when sending begins, and when the validity ends (epoch, milliseconds)
--   report_wait_ms      how long an accepted message waits for its report
--   urgent              1 if the campaign goes through the urgent queue, else 0
--   in_doubt            the policy for messages in doubt at the end of the validity: give_up or resend
--   brake_push_last, brake_push_share      the campaign is braked if more than brake_push_share of the last
--                                          brake_push_last pushes were rejected; brake_push_last 0: never
--   brake_report_last, brake_report_share  the same for reports that say failed
--   chain               the providers by priority, joined by blanks
--   max_parts           SMS parts that the campaign may hand to providers; 0: no limit
--   has_send_window     1 if the campaign has a send window, else 0
--   template            the name of the template
--   price               the price of an SMS part, in millionths of a rupee; 0: no price
--   missed_start        the policy if no process ran when the campaign should have started: send, skip or ask
--   retry_codes         codes of failed reports that lead to a second try, joined by blanks; empty: no second tries
--   retry_after_s       how long after the report each second try is made, in seconds, joined by blanks
--   retry_at_most       how many second tries a message gets
--   resend_of           the campaign whose messages this campaign sends once more; empty: none
--   is_promotional      1 if the messages are promotional, and so are held back from silent providers; else 0
--   trail               the entry of the trail about a resend, see lib/trail.lua; empty: nothing is noted
-- Reply
--   created                     1 if the campaign is new, else 0
--   state, batch_size, plan     these fields of the campaign
--   batches                     how many batches are stored
-- or is_archived = 1 if the campaign is archived: the campaign was submitted before, and is not created again.
-- Keys: campaign, and the campaign resend_of; the sender's hash, live, ended and trail.
-- Atomic: the ledger has the whole campaign, or nothing of it.
-- Cost: O(1).
local args = arguments({'campaign', 'plan', 'schema', 'batch_size', 'rate', 'cost_unit', 'start_ms', 'until_ms',
  'report_wait_ms', 'urgent', 'in_doubt', 'brake_push_last', 'brake_push_share', 'brake_report_last',
  'brake_report_share', 'chain', 'max_parts', 'has_send_window', 'missed_start', 'template', 'price', 'retry_codes',
  'retry_after_s', 'retry_at_most', 'resend_of', 'is_promotional', 'trail'})
local campaign_key = key_of_campaign(args.campaign)

local function create()
  -- The campaign is outside its send window until upkeep sets the first send window.
  if args.has_send_window == '1' then
    redis.call('HSET', campaign_key, 'send_window_opens_ms', 0, 'send_window_closes_ms', 1)
  end
  if args.missed_start ~= 'send' and tonumber(args.start_ms) > 0 then
    redis.call('HSET', campaign_key, 'missed_start', args.missed_start)
  end
  if args.is_promotional == '1' then redis.call('HSET', campaign_key, 'promotional', 1) end
  redis.call('HSET', campaign_key, 'state', 'submitting', 'reason', '', 'created_ms', math.floor(now_us() / 1000),
    'schema', args.schema, 'batch_size', args.batch_size, 'rate', args.rate, 'cost_unit', args.cost_unit,
    'start_ms', args.start_ms, 'until_ms', args.until_ms, 'report_wait_ms', args.report_wait_ms, 'urgent', args.urgent,
    'in_doubt', args.in_doubt, 'chain', args.chain, 'template', args.template, 'price', args.price,
    'brake_push_last', args.brake_push_last, 'brake_push_share', args.brake_push_share,
    'brake_report_last', args.brake_report_last, 'brake_report_share', args.brake_report_share,
    'max_parts', args.max_parts, 'parts_out', 0, 'total', 0, 'batches', 0, 'next_batch', 0, 'batches_out', 0,
    'sent_days', '', 'sent_days_until_ms', 0)
  redis.call('HSET', campaign_key, PENDING, 0, SENDING, 0, ACCEPTED, 0, DELIVERED, 0, FAILED, 0, NO_REPORT, 0,
    REJECTED, 0, IN_DOUBT, 0, GIVEN_UP, 0, SUPPRESSED, 0, EXPIRED, 0, CANCELLED, 0)
  if args.retry_codes ~= '' then
    redis.call('HSET', campaign_key, 'retry_codes', args.retry_codes, 'retry_after_s', args.retry_after_s,
      'retry_at_most', args.retry_at_most)
  end
  if args.resend_of ~= '' then
    redis.call('HSET', key_of_campaign(args.resend_of), 'resend:' .. args.campaign, math.floor(now_us() / 1000))
  end
  note_in_trail(args.trail)
  index_as_live(args.campaign)
end

fail_if_memory_is_full()
local archive = redis.call('HGET', campaign_key, 'archive')
if archive == 'archived' or archive == 'erased' then return reply({is_archived = 1}) end
local created = redis.call('HSETNX', campaign_key, 'plan', args.plan)
if created == 1 then create() end
local campaign = read_fields(campaign_key, 'state', 'batches', 'batch_size', 'plan')
return reply({
  created = created, state = campaign.state, plan = campaign.plan,
  batches = tonumber(campaign.batches), batch_size = tonumber(campaign.batch_size),
})
