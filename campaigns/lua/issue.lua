-- Hand out batches until the sender's window is full, in turn among its campaigns. Whoever calls rings the bells.
-- ARGV: messages per second of window to keep out (seconds), batches out for a sender without a limit, lease in ms
-- Reply: a list of {id, number, batches, name, urgent}. O(batches handed out + campaigns whose time has come).
local seconds, unlimited, lease_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now_ms = math.floor(clock_us() / 1000)
local pace = redis.call('HMGET', TAG .. ':pace', 'rate', 'paused', 'brake', 'hold_until_us')
if pace[2] == '1' or (pace[3] and pace[3] ~= '') then return {} end
if pace[4] and tonumber(pace[4]) / 1000 > now_ms + 1000 then return {} end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', TAG .. ':waiting', '-inf', now_ms, 'LIMIT', 0, 100)) do
  redis.call('ZREM', TAG .. ':waiting', id)
  queue_campaign(id, campaign_key(id))
end

local function allowed(rate, size)
  if not rate or rate <= 0 then return unlimited end
  return math.max(2, math.ceil(seconds * rate / size) + 1)
end

local sender_rate = tonumber(pace[1])
local issued, out, skipped = {}, redis.call('SCARD', TAG .. ':window'), 0
while skipped < 100 do
  local id = redis.call('ZRANGE', TAG .. ':rotation', skipped, skipped)[1]
  if not id then break end
  local campaign = campaign_key(id)
  local about = redis.call('HMGET', campaign, 'state', 'size', 'rate', 'out', 'cursor', 'batches', 'plan', 'start_ms', 'urgent', 'until_ms')
  local size, cursor, batches = tonumber(about[2]), tonumber(about[5]), tonumber(about[6])
  if out >= allowed(sender_rate, size) then break end
  if about[1] ~= 'running' or tonumber(about[10]) <= now_ms then
    redis.call('ZREM', TAG .. ':rotation', id)
  elseif tonumber(about[8]) > now_ms then
    redis.call('ZREM', TAG .. ':rotation', id)
    redis.call('ZADD', TAG .. ':waiting', about[8], id)
  elseif tonumber(about[4]) >= allowed(tonumber(about[3]), size) then
    skipped = skipped + 1
  else
    local number = redis.call('LPOP', campaign .. ':redo')
    if number then
      number = tonumber(number)
    elseif cursor < batches then
      number = cursor
      cursor = redis.call('HINCRBY', campaign, 'cursor', 1)
    end
    if number then
      local member = id .. ':' .. number
      redis.call('ZADD', TAG .. ':leases', now_ms + lease_ms, member)
      enter_window(campaign, member)
      out = out + 1
      issued[#issued + 1] = {id, number, batches, cjson.decode(about[7])['name'], tonumber(about[9])}
    end
    redis.call('ZREM', TAG .. ':rotation', id)
    if cursor < batches or redis.call('EXISTS', campaign .. ':redo') == 1 then queue_campaign(id, campaign) end
  end
end
return issued
