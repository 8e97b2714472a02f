-- Hand out batches until the sender's window is full, in turn among its campaigns. Whoever calls rings the bells.
-- ARGV: messages per second of window to keep out (seconds), batches out for a sender without a limit, lease in ms
-- Reply: {{{id, number, batches, name, urgent} handed out …}, {{id, error} damaged …}}. O(batches handed out + campaigns whose time has
-- come or that are held). A campaign that is damaged is braked, comes back after a while, and costs no other campaign anything.
-- A campaign with a limit of its own has a window of its own; of all of these of a sender so many batches are out at most:
local OWN_MOST = 64
local MOST_PASSED = 500
local seconds, unlimited, lease_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_us()
local now_ms = math.floor(now / 1000)
local pace = redis.call('HMGET', TAG .. ':pace', 'rate', 'paused', 'full_day')

-- A start is only ever missed while nothing ran: whoever runs comes by here every second.
local MISSED_AFTER_MS = 60000
local function missed_start(id, campaign)
  local about = redis.call('HMGET', campaign, 'missed_start', 'start_ms', 'state')
  if not about[1] then return false end
  redis.call('HDEL', campaign, 'missed_start')
  if about[3] ~= 'running' or now_ms - tonumber(about[2]) <= MISSED_AFTER_MS then return false end
  if about[1] == 'skip' then
    redis.call('HSET', campaign, 'state', 'cancelled', 'reason', 'its start was missed while nothing ran')
    redis.call('ZADD', TAG .. ':ends', 0, id)
  else
    redis.call('HSET', campaign, 'state', 'paused', 'reason', 'its start was missed while nothing ran: resume or cancel it')
  end
  redis.call('SADD', TAG .. ':moved', id)
  return true
end

local damaged = {}
local function set_aside(id, failure)
  -- Of what is no campaign at all this fails as well.
  pcall(brake_campaign, id, campaign_key(id), 'it cannot be handed out: damaged in the ledger')
  unqueue_campaign(id)
  redis.call('ZADD', TAG .. ':waiting', now_ms + DAMAGED_MS, id)
  redis.call('SADD', TAG .. ':moved', id)
  damaged[#damaged + 1] = {id, wording(failure)}
end

local function end_wait(id)
  if not missed_start(id, campaign_key(id)) then queue_campaign(id, campaign_key(id)) end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', TAG .. ':waiting', '-inf', now_ms, 'LIMIT', 0, 100)) do
  redis.call('ZREM', TAG .. ':waiting', id)
  local well, failure = pcall(end_wait, id)
  if not well then set_aside(id, failure) end
end
if pace[2] == '1' or tonumber(pace[3]) == day_of(now_ms) then return {{}, damaged} end

local function allowed(rate, size)
  if not rate or rate <= 0 then return unlimited end
  return math.max(2, math.ceil(seconds * rate / size) + 1)
end

local sender_rate, issued, known = tonumber(pace[1]), {}, {}

-- Give one campaign its turn. Returns whether the window was full before, and how many places the campaign takes to pass it over.
local function take_turn(id, rotation, out, most)
  local campaign = campaign_key(id)
  local about = redis.call('HMGET', campaign, 'state', 'size', 'rate', 'out', 'cursor', 'batches', 'plan', 'start_ms', 'urgent', 'until_ms',
    'chain', 'opens_ms', 'closes_ms')
  local size, own_rate, cursor, batches = tonumber(about[2]), tonumber(about[3]), tonumber(about[5]), tonumber(about[6])
  if out >= (most or allowed(sender_rate, size)) then return true, 0 end
  local runs = about[1] == 'running' and tonumber(about[10]) > now_ms
  if runs and tonumber(about[8]) <= now_ms and not can_take(about[11], now, known) then return false, 1 end
  redis.call('ZREM', rotation, id)
  if runs and tonumber(about[8]) > now_ms then
    redis.call('ZADD', TAG .. ':waiting', about[8], id)
  elseif runs and is_closed(about[12], about[13], now_ms) then
    -- Before they open it waits for that; after they closed upkeep says when they open again.
    if now_ms < tonumber(about[12]) then redis.call('ZADD', TAG .. ':waiting', about[12], id) end
  elseif runs and not (own_rate > 0 and tonumber(about[4]) >= allowed(own_rate, size)) then
    local name, urgent = cjson.decode(about[7])['name'], tonumber(about[9])
    local number = redis.call('LPOP', campaign .. ':redo')
    if number then
      number = tonumber(number)
    elseif cursor < batches then
      number = cursor
      cursor = redis.call('HINCRBY', campaign, 'cursor', 1)
    end
    local member = number and id .. ':' .. number
    -- A batch may wait twice to be redone: what is out already is not handed out again.
    if number and not redis.call('ZSCORE', TAG .. ':leases', member) then
      redis.call('ZADD', TAG .. ':leases', now_ms + lease_ms, member)
      enter_window(campaign, member)
      issued[#issued + 1] = {id, number, batches, name, urgent}
    end
    if cursor < batches or redis.call('EXISTS', campaign .. ':redo') == 1 then queue_campaign(id, campaign) end
  end
  return false, 0
end

local function hand_out(side, most)
  local rotation, out = TAG .. ':rotation' .. side, redis.call('SCARD', TAG .. ':window' .. side)
  -- A campaign of which no provider can take anything keeps its place, and is passed over.
  local passed, is_full = 0, false
  while passed < MOST_PASSED and not is_full do
    local id = redis.call('ZRANGE', rotation, passed, passed)[1]
    if not id then break end
    local before = #issued
    local well, answer, places = pcall(take_turn, id, rotation, out, most)
    if well then
      is_full, passed = answer, passed + places
    else
      set_aside(id, answer)
    end
    out = out + #issued - before
  end
end

hand_out('', nil)
hand_out(':own', OWN_MOST)
return {issued, damaged}
