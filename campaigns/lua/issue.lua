-- Hand out batches until the sender's window is full, in turn among its campaigns. Whoever calls rings the bells.
-- ARGV: messages per second of window to keep out (seconds), batches out for a sender without a limit, lease in ms
-- Reply: a list of {id, number, batches, name, urgent}. O(batches handed out + campaigns whose time has come or that are held).
-- A campaign with a limit of its own has a window of its own; of all of these of a sender so many batches are out at most:
local OWN_MOST = 64
local MOST_PASSED = 500
local seconds, unlimited, lease_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock_us()
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

for _, id in ipairs(redis.call('ZRANGEBYSCORE', TAG .. ':waiting', '-inf', now_ms, 'LIMIT', 0, 100)) do
  redis.call('ZREM', TAG .. ':waiting', id)
  if not missed_start(id, campaign_key(id)) then queue_campaign(id, campaign_key(id)) end
end
if pace[2] == '1' or tonumber(pace[3]) == day_of(now_ms) then return {} end

local function allowed(rate, size)
  if not rate or rate <= 0 then return unlimited end
  return math.max(2, math.ceil(seconds * rate / size) + 1)
end

local sender_rate, issued, known = tonumber(pace[1]), {}, {}

local function hand_out(side, most)
  local rotation, out = TAG .. ':rotation' .. side, redis.call('SCARD', TAG .. ':window' .. side)
  -- A campaign of which no provider can take anything keeps its place, and is passed over.
  local passed = 0
  while passed < MOST_PASSED do
    local id = redis.call('ZRANGE', rotation, passed, passed)[1]
    if not id then break end
    local campaign = campaign_key(id)
    local about = redis.call('HMGET', campaign, 'state', 'size', 'rate', 'out', 'cursor', 'batches', 'plan', 'start_ms', 'urgent', 'until_ms',
      'chain', 'opens_ms', 'closes_ms')
    local size, own_rate, cursor, batches = tonumber(about[2]), tonumber(about[3]), tonumber(about[5]), tonumber(about[6])
    if out >= (most or allowed(sender_rate, size)) then break end
    local runs = about[1] == 'running' and tonumber(about[10]) > now_ms
    local held = runs and tonumber(about[8]) <= now_ms and not can_take(about[11], now, known)
    if held then passed = passed + 1 else redis.call('ZREM', rotation, id) end
    if runs and tonumber(about[8]) > now_ms then
      redis.call('ZADD', TAG .. ':waiting', about[8], id)
    elseif runs and not held and is_closed(about[12], about[13], now_ms) then
      -- Before they open it waits for that; after they closed upkeep says when they open again.
      if now_ms < tonumber(about[12]) then redis.call('ZADD', TAG .. ':waiting', about[12], id) end
    elseif runs and not held and not (own_rate > 0 and tonumber(about[4]) >= allowed(own_rate, size)) then
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
        out = out + 1
        issued[#issued + 1] = {id, number, batches, cjson.decode(about[7])['name'], tonumber(about[9])}
      end
      if cursor < batches or redis.call('EXISTS', campaign .. ':redo') == 1 then queue_campaign(id, campaign) end
    end
  end
end

hand_out('', nil)
hand_out(':own', OWN_MOST)
return issued
