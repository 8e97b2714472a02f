-- Look after leases that ran out. A batch that nobody took is rung again, later each time; one whose worker is gone is
-- taken in, and its next issue rings.
-- ARGV: lease in ms, most batches
-- Reply: {batches taken in, messages now in doubt, {{id, number, batches, name, urgent} to ring …}, {{lease, error} damaged …}}.
-- O(batches). A batch that is damaged keeps its lease for a while and costs no other batch anything; the caller brakes its campaign.
local lease_ms, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = now_us()
local now_ms = math.floor(now / 1000)
local taken_in, doubted, again, damaged = 0, 0, {}, {}

local function look_after(member)
  local id, number = string.match(member, '^(%w+):(%d+)$')
  local campaign = campaign_key(id)
  local batch = campaign .. ':b:' .. number
  local about = redis.call('HMGET', campaign, 'state', 'batches', 'plan', 'urgent', 'until_ms')
  if about[1] == 'running' and tonumber(about[5]) > now_ms and redis.call('HEXISTS', batch, 'token') == 0 then
    local ring = {id, tonumber(number), tonumber(about[2]), cjson.decode(about[3])['name'], tonumber(about[4])}
    local rings = redis.call('HINCRBY', batch, 'rings', 1)
    redis.call('ZADD', TAG .. ':leases', now_ms + lease_ms * math.min(2 ^ rings, 16), member)
    again[#again + 1] = ring
  else
    doubted = doubted + take_in(id, campaign, tonumber(number), now)
    taken_in = taken_in + 1
  end
end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', TAG .. ':leases', '-inf', now_ms, 'LIMIT', 0, most)) do
  local well, failure = pcall(look_after, member)
  if not well then
    redis.call('ZADD', TAG .. ':leases', now_ms + DAMAGED_MS, member)
    damaged[#damaged + 1] = {member, wording(failure)}
  end
end
return {taken_in, doubted, again, damaged}
