-- Renew the leases of all batches of this sender that one worker holds.
-- ARGV: lease in ms, then for each batch: id, number, token
-- Reply: for each batch 1 renewed, 0 lost. O(batches).
local deadline = math.floor(now_us() / 1000) + tonumber(ARGV[1])
local renewed = {}
for at = 2, #ARGV, 3 do
  local held = redis.call('HGET', campaign_key(ARGV[at]) .. ':b:' .. ARGV[at + 1], 'token') == ARGV[at + 2]
  if held then redis.call('ZADD', TAG .. ':leases', 'XX', deadline, ARGV[at] .. ':' .. ARGV[at + 1]) end
  renewed[#renewed + 1] = held and 1 or 0
end
return renewed
