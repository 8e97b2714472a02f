-- Decide what waited long enough: accepted messages without a report, and messages in doubt.
-- ARGV: id, number, how: time (by the clock and the campaign's policy) | sent | resend (a person decides what is in doubt now)
-- Reply: {no report, given up, to be resent, counted as sent}. O(messages of the batch). Safe to repeat.
-- A message is resent once at the most by policy, with the next attempt in its id; its campaign gets its validity once more, and
-- then all that was in doubt after the first is resent, in whatever batch. Nothing of a cancelled campaign is; what is resent of one
-- that is paused or braked waits for its resume.
local id, number, how = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local campaign, member = campaign_key(id), ARGV[1] .. ':' .. ARGV[2]
local messages = campaign .. ':m:' .. number
local now = now_us()
local now_ms = math.floor(now / 1000)
local about = redis.call('HMGET', campaign, 'state', 'created_ms', 'report_wait_ms', 'until_ms', 'in_doubt', 'start_ms', 'sealed_ms', 'p', 's',
  'second')
if not about[1] or redis.call('EXISTS', messages) == 0 then
  redis.call('ZREM', TAG .. ':due', member)
  return {0, 0, 0, 0}
end
local created, wait, until_ms = tonumber(about[2]), tonumber(about[3]), tonumber(about[4])
local unsent = tonumber(about[8]) + tonumber(about[9]) > 0
local count = batch_count(campaign, number)
check_records(messages, count)
local states = redis.call('GETRANGE', messages, 0, count - 1)
local counts, codes = tally(), tally()
local no_report, given_up, resent, as_sent = 0, 0, 0, 0
local may_resend, by_policy = about[1] ~= 'cancelled', false
local look = nil
local at = string.find(states, '[ai]')
while at do
  local first, last = record_range(count, at - 1)
  local attempt, block, code, let_go, reported, transaction = struct.unpack(RECORD, redis.call('GETRANGE', messages, first, last))
  local state, to = string.sub(states, at, at), nil
  if state == 'a' then
    if how == 'time' and created + let_go + wait <= now_ms then to, no_report = 'n', no_report + 1 end
  elseif how == 'sent' then
    to, as_sent = 'a', as_sent + 1
  elseif how == 'resend' then
    if may_resend then to, resent = 'p', resent + 1 end
  elseif may_resend and about[5] == 'resend' and attempt == 0 then
    if about[10] or (until_ms <= now_ms and not unsent) then to, resent, by_policy = 'p', resent + 1, true end
  elseif until_ms <= now_ms and not unsent then
    to, given_up = 'g', given_up + 1
  end
  if (to or state) == 'a' then
    look = math.min(look or math.huge, created + let_go + wait)
  elseif (to or state) == 'i' then
    look = math.min(look or math.huge, until_ms)
  end
  if to then
    counts.move(state, to)
    if to == 'p' or (state == 'i' and to == 'a') then codes.add('push:' .. code, -1) end
    redis.call('SETRANGE', messages, at - 1, to)
    if to == 'p' then
      redis.call('SETRANGE', messages, first, struct.pack(RECORD, math.min(attempt + 1, 255), block, 0, let_go, 0, NO_TRANSACTION))
    end
  end
  at = string.find(states, '[ai]', at + 1)
end
counts.write(campaign)
codes.write(campaign .. ':codes')
if resent > 0 then
  if about[1] == 'finished' then redis.call('HSET', campaign, 'state', 'running', 'reason', '') end
  redis.call('HDEL', campaign, 'finished_ms')
  if by_policy then redis.call('HSET', campaign, 'second', 1) end
  if until_ms <= now_ms then
    local validity = until_ms - math.max(tonumber(about[6]), tonumber(about[7] or about[2]))
    -- Of a campaign with hours of the day at least one of these must lie in it.
    if redis.call('HEXISTS', campaign, 'closes_ms') == 1 then validity = validity + 86400000 end
    redis.call('HSET', campaign, 'until_ms', now_ms + validity)
    redis.call('ZADD', TAG .. ':ends', now_ms + validity, id)
  end
  local batch = campaign .. ':b:' .. number
  if redis.call('HEXISTS', batch, 'token') == 1 then
    redis.call('HSET', batch, 'low', 0)
    enter_window(campaign, member)
  elseif not redis.call('ZSCORE', TAG .. ':leases', member) then
    redis.call('LPUSH', campaign .. ':redo', number)
  end
  queue_campaign(id, campaign)
  local closes = redis.call('HGET', campaign, 'closes_ms')
  if closes then redis.call('ZADD', TAG .. ':hours', 'NX', closes, id) end
end
if no_report + given_up + resent + as_sent > 0 then
  redis.call('SADD', TAG .. ':moved', id)
  finish_if_done(id, campaign, now)
end
if look then
  -- Somebody else's messages hold this up (the campaign still sends): look again soon, not at once.
  redis.call('ZADD', TAG .. ':due', math.max(look, now_ms + 1000), member)
else
  redis.call('ZREM', TAG .. ':due', member)
end
return {no_report, given_up, resent, as_sent}
