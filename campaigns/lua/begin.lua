-- Create a campaign that sends nothing yet, or say how far an earlier submit of it came.
-- ARGV: id, plan (JSON), batch size, rate of its own, cost unit, start_at_ms, until_ms, report_wait_ms, urgent, in-doubt policy,
--       brake: last N pushes, share rejected, last N reports, share failed (0: never), providers by priority (joined by blanks)
-- Reply: {created 0|1, state, batches stored, batch size, plan}. O(1).
local campaign = campaign_key(ARGV[1])
local created = redis.call('HSETNX', campaign, 'plan', ARGV[2])
if created == 1 then
  redis.call('HSET', campaign, 'state', 'submitting', 'reason', '', 'size', ARGV[3], 'rate', ARGV[4], 'cost', ARGV[5],
    'start_ms', ARGV[6], 'until_ms', ARGV[7], 'report_wait_ms', ARGV[8], 'urgent', ARGV[9], 'in_doubt', ARGV[10],
    'brake_push_last', ARGV[11], 'brake_push_share', ARGV[12], 'brake_report_last', ARGV[13], 'brake_report_share', ARGV[14],
    'chain', ARGV[15], 'created_ms', math.floor(clock_us() / 1000), 'total', 0, 'batches', 0, 'cursor', 0, 'out', 0,
    'p', 0, 's', 0, 'a', 0, 'd', 0, 'f', 0, 'n', 0, 'r', 0, 'i', 0, 'g', 0, 'u', 0, 'e', 0, 'x', 0)
end
local about = redis.call('HMGET', campaign, 'state', 'batches', 'size', 'plan')
return {created, about[1], tonumber(about[2]), tonumber(about[3]), about[4]}
