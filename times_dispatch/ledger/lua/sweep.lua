-- End what is pending in a stretch of batches, when the campaign was cancelled or its validity is over. Safe to repeat.
-- ARGV: id, first batch, most batches, state they get (x cancelled, e expired)
-- Reply: {next batch, messages ended, {{number, error} damaged …}}. O(batches x messages), O(1) if nothing is pending.
-- Batches that are out for work are passed over: they come back soon, and the next round begins again. A campaign of which nothing is
-- pending or sending is not looked at again.
local id, first, most, to = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local campaign = campaign_key(id)
local about = redis.call('HMGET', campaign, 'state', 'batches', 'until_ms', 'p', 's')
local now = now_us()
local batches, pending, sending = tonumber(about[2]), tonumber(about[4]), tonumber(about[5])
if (to == 'x' and about[1] ~= 'cancelled') or (to == 'e' and tonumber(about[3]) > now / 1000) then return {batches, 0, {}} end
local number, ended, damaged = first, 0, {}

local function end_pending()
  local messages = campaign .. ':m:' .. number
  if redis.call('ZSCORE', TAG .. ':leases', id .. ':' .. number) then return 0 end
  local count = batch_count(campaign, number)
  check_records(messages, count)
  local states = redis.call('GETRANGE', messages, 0, count - 1)
  if states == '' then
    redis.call('SET', messages, string.rep(to, count) .. string.rep('\0', count * WIDTH))
    return count
  end
  local after, changed = string.gsub(states, 'p', to)
  if changed > 0 then redis.call('SETRANGE', messages, 0, after) end
  return changed
end

while ended < pending and number < batches and number < first + most do
  local well, answer = pcall(end_pending)
  if well then
    ended = ended + answer
  else
    damaged[#damaged + 1] = {number, wording(answer)}
  end
  number = number + 1
end
if ended > 0 then
  redis.call('HINCRBY', campaign, 'p', -ended)
  redis.call('HINCRBY', campaign, to, ended)
  redis.call('SADD', TAG .. ':moved', id)
end
if ended == pending then
  number = batches
  if sending == 0 then redis.call('ZREM', TAG .. ':ends', id) end
end
finish_if_done(id, campaign, now)
return {number, ended, damaged}
