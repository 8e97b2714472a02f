-- Create a campaign that sends nothing yet, or say how far an earlier submit of it came.
-- ARGV: id, plan (JSON), batch size, rate of its own, cost unit, start_at_ms, until_ms, report_wait_ms, urgent, in-doubt policy,
--       brake: last N pushes, share rejected, last N reports, share failed (0: never), providers by priority (joined by blanks),
--       most parts (0: no limit), has hours (0|1), what to do if its start is missed (send | skip | ask)
-- Reply: {created 0|1, state, batches stored, batch size, plan}. O(1).
local campaign = campaign_key(ARGV[1])
local created = redis.call('HSETNX', campaign, 'plan', ARGV[2])
if created == 1 then
  -- Its hours are over until upkeep has said when they are.
  if ARGV[17] == '1' then redis.call('HSET', campaign, 'opens_ms', 0, 'closes_ms', 1) end
  if ARGV[18] ~= 'send' and tonumber(ARGV[6]) > 0 then redis.call('HSET', campaign, 'missed_start', ARGV[18]) end
  redis.call('HSET', campaign, 'state', 'submitting', 'reason', '', 'size', ARGV[3], 'rate', ARGV[4], 'cost', ARGV[5],
    'start_ms', ARGV[6], 'until_ms', ARGV[7], 'report_wait_ms', ARGV[8], 'urgent', ARGV[9], 'in_doubt', ARGV[10],
    'most_parts', ARGV[16], 'parts_out', 0,
    'brake_push_last', ARGV[11], 'brake_push_share', ARGV[12], 'brake_report_last', ARGV[13], 'brake_report_share', ARGV[14],
    'chain', ARGV[15], 'created_ms', math.floor(now_us() / 1000), 'total', 0, 'batches', 0, 'cursor', 0, 'out', 0,
    'p', 0, 's', 0, 'a', 0, 'd', 0, 'f', 0, 'n', 0, 'r', 0, 'i', 0, 'g', 0, 'u', 0, 'e', 0, 'x', 0)
end
local about = redis.call('HMGET', campaign, 'state', 'batches', 'size', 'plan')
return {created, about[1], tonumber(about[2]), tonumber(about[3]), about[4]}
