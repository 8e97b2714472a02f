-- Open a block: the one place where messages may become `sending`.
-- ARGV: id, number, token, operation id, most messages, most microseconds ahead, catch-up tolerance in microseconds
-- Reply: {'opened', packed} | {'wait', ms, why} | {'drained'} nothing is pending | {'closed', why} hand the batch back |
--        {'lost'} the lease went to somebody else.
--   packed: block u16, let-go of the first message in microseconds from now (f64), microseconds per unit of cost (f64), place of the
--   provider in the campaign's chain u8 (0 is the first), then for each message index u16 and attempt u8.
-- The same operation id gets the same block again: an answer lost on the wire leaves nothing in `sending` that nobody pushes.
-- Pacing is GCRA on Redis' clock with the slots given out a little ahead: a block carries the times at which its messages
-- may go, so nothing bunches. A block is for the first provider of the chain that can take one; what is pending was not sent through
-- any. Cost: O(messages of the block), plus a scan of one byte per message of the batch; a command for each provider passed over.
-- Before a wait for all providers it looks at so many campaigns of the sender at most:
local MOST_OTHERS = 100
local id, number, token, operation = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local most, ahead, tolerance = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local campaign = campaign_key(id)
local batch, messages, member = campaign .. ':b:' .. number, campaign .. ':m:' .. number, id .. ':' .. number
local held = redis.call('HMGET', batch, 'token', 'op', 'opened', 'low', 'blocks', 'count')
if held[1] ~= token then return {'lost'} end
if held[2] == operation then return {'opened', held[3]} end

local now = now_us()
local now_ms = math.floor(now / 1000)
local about = redis.call('HMGET', campaign, 'state', 'reason', 'start_ms', 'until_ms', 'rate', 'slot', 'cost', 'created_ms', 'first_ms',
  'slot_cost', 'chain', 'opens_ms', 'closes_ms', 'most_parts', 'parts_out', 's')
if about[1] ~= 'running' then return {'closed', about[1]} end
if tonumber(about[3]) > now_ms then return {'closed', 'scheduled'} end
if tonumber(about[4]) <= now_ms then return {'closed', 'expired'} end
if is_closed(about[12], about[13], now_ms) then return {'closed', 'outside its hours'} end
local pace_key = TAG .. ':pace'
local pace = redis.call('HMGET', pace_key, 'rate', 'slot', 'paused', 'slot_cost', 'most_parts_per_day', 'day', 'day_parts',
  standing(string.match(about[11], '%S+')))
if pace[3] == '1' then return {'closed', 'sender paused'} end

-- One that backs off is tried with a message at a time also while a later one could take them all: so it comes back by itself.
local place, probed, taker, soonest = 0, nil, nil, nil
for provider in string.gmatch(about[11], '%S+') do
  local found = place == 0 and {unpack(pace, 8, 11)} or redis.call('HMGET', pace_key, standing(provider))
  if not found[1] or found[1] == '' then
    local backs_off = tonumber(found[3] or '0') > 0
    local free_at = backs_off and math.max(tonumber(found[2] or '0'), tonumber(found[4] or '0')) or 0
    if free_at <= now then
      taker, probed = place, backs_off and provider
      break
    end
    soonest = math.min(soonest or free_at, free_at)
  end
  place = place + 1
end
if not taker then
  if not soonest then return {'closed', 'provider braked'} end
  -- Who waits for long does not keep a place in the window from a campaign with a provider that can take something.
  local known, long = {}, soonest > now + SOON_US
  for _, other in ipairs(long and redis.call('ZRANGE', TAG .. ':rotation' .. lane(campaign), 0, MOST_OTHERS - 1) or {}) do
    if can_take(redis.call('HGET', campaign_key(other), 'chain'), now, known) then return {'closed', 'backing off'} end
  end
  return {'wait', math.ceil((soonest - now) / 1000), 'backing off'}
end
if probed then most = 1 end

local count, low = tonumber(held[6]), tonumber(held[4])
local states = redis.call('GETRANGE', messages, 0, count - 1)
local at = string.find(states, 'p', low + 1, true)
if not at then
  redis.call('HSET', batch, 'low', count)
  leave_window(campaign, member)
  return {'drained'}
end

-- The pace that gives out slots ahead is the sender's, or the campaign's own where the sender has no limit.
-- Of what was given out only the last slot and its cost are kept: so a new rate acts at once, however low the old one was, and a
-- clock that was set back holds nobody up.
local function next_slot(last, cost, step, earliest)
  return math.max(math.min(tonumber(last or '0'), now + ahead) + tonumber(cost or '0') * step, earliest)
end
local sender_rate, own_rate = tonumber(pace[1] or '0'), tonumber(about[5] or '0')
local slot, per_unit, own_slot, own_per_unit = now, 0, nil, 0
if sender_rate > 0 then
  per_unit = 1000000 / sender_rate
  slot = next_slot(pace[2], pace[4], per_unit, now - tolerance)
end
if own_rate > 0 then
  own_per_unit = 1000000 / own_rate
  if sender_rate > 0 then
    own_slot = next_slot(about[6], about[10], own_per_unit, now - ahead)
    if own_slot > now then return {'wait', math.ceil((own_slot - now) / 1000), 'campaign limit'} end
  else
    per_unit = own_per_unit
    slot = next_slot(about[6], about[10], per_unit, now - tolerance)
  end
end
if slot > now + ahead then return {'wait', math.max(1, math.ceil((slot - now - ahead) / 1000)), 'limit'} end

-- What may still be handed to the provider, in parts, by the campaign's budget and by the sender's cap of the day.
local today = day_of(now_ms)
local budget, per_day = tonumber(about[14]), tonumber(pace[5] or '0')
local spent_today = tonumber(pace[6]) == today and tonumber(pace[7]) or 0
local parts_left = budget > 0 and budget - tonumber(about[15]) or math.huge
local day_left = per_day > 0 and per_day - spent_today or math.huge
local parts = redis.call('GET', campaign .. ':k:' .. number)
local costs = about[7] == 'parts' and parts
local first_slot, used, taken, cost, used_parts = slot, 0, {}, 0, 0
while at and #taken < most do
  if slot > now + ahead or (own_slot and own_slot > now) then break end
  local size = parts and string.byte(parts, at) or 1
  if used_parts + size > parts_left or used_parts + size > day_left then break end
  used_parts = used_parts + size
  taken[#taken + 1] = at - 1
  cost = costs and string.byte(costs, at) or 1
  used = used + cost
  slot = first_slot + used * per_unit
  if own_slot then own_slot = own_slot + cost * own_per_unit end
  at = string.find(states, 'p', at + 1, true)
end

if #taken == 0 then
  local size = parts and string.byte(parts, at) or 1
  -- What is being sent may be rejected or suppressed, and cost nothing.
  if tonumber(about[16]) > 0 then return {'wait', 200, 'campaign limit'} end
  if size > parts_left then
    brake_campaign(id, campaign, 'its budget of ' .. budget .. ' parts is spent')
    redis.call('SADD', TAG .. ':moved', id)
    return {'closed', 'budget spent'}
  end
  redis.call('HSET', pace_key, 'full_day', today)
  redis.call('SADD', TAG .. ':moved', id)
  return {'closed', 'parts of the day used up'}
end

local block = (tonumber(held[5]) + 1) % 65536
local since = now_ms - tonumber(about[8])
local packed = {struct.pack('>I2ddI1', block, first_slot - now, per_unit, taker)}
local run, spent = 1, 0
while run <= #taken do
  local last = run
  while last < #taken and taken[last + 1] == taken[last] + 1 do last = last + 1 end
  local first, size = taken[run], last - run + 1
  local start = record_range(count, first)
  local old = redis.call('GETRANGE', messages, start, start + size * WIDTH - 1)
  local records = {}
  for offset = 0, size - 1 do
    local attempt = string.byte(old, offset * WIDTH + 1)
    local let_go = since + math.max(0, math.floor((first_slot - now + spent * per_unit) / 1000))
    spent = spent + (costs and string.byte(costs, first + offset + 1) or 1)
    records[offset + 1] = struct.pack(RECORD, attempt, block, 0, let_go, 0, NO_TRANSACTION)
    packed[#packed + 1] = struct.pack('>I2I1', first + offset, attempt)
  end
  redis.call('SETRANGE', messages, first, string.rep('s', size))
  redis.call('SETRANGE', messages, start, table.concat(records))
  run = last + 1
end

local opened = table.concat(packed)
redis.call('HSET', batch, 'op', operation, 'opened', opened, 'low', taken[#taken] + 1, 'blocks', block)
redis.call('HINCRBY', campaign, 'p', -#taken)
redis.call('HINCRBY', campaign, 's', #taken)
if not about[9] then redis.call('HSET', campaign, 'first_ms', now_ms) end
redis.call('HSET', campaign, 'last_ms', now_ms)
local function keep(hash, next, step)
  redis.call('HSET', hash, 'slot', string.format('%.3f', next - cost * step), 'slot_cost', cost)
end
if sender_rate > 0 then keep(pace_key, slot, per_unit) end
if own_rate > 0 then keep(campaign, own_slot or slot, own_per_unit) end
redis.call('HINCRBY', campaign, 'parts_out', used_parts)
if per_day > 0 then redis.call('HSET', pace_key, 'day', today, 'day_parts', spent_today + used_parts) end
if probed then redis.call('HSET', pace_key, 'probe_us@' .. probed, string.format('%.0f', now + 1000000)) end
redis.call('SADD', TAG .. ':moved', id)
return {'opened', opened}
