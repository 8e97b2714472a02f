-- Say what upkeep has to do for a sender: most seconds there is little, and each step costs a round trip or two.
-- Reply: for each step 1 if there is something to do: lapse, reopen, end, settle, forget, issue, show. O(1) but for logarithms.
local now = now_us()
local now_ms = math.floor(now / 1000)
local function due(key, until_when)
  return #redis.call('ZRANGEBYSCORE', TAG .. key, '-inf', until_when, 'LIMIT', 0, 1)
end
local in_turn = redis.call('EXISTS', TAG .. ':rotation', TAG .. ':rotation:own') > 0 or due(':waiting', now_ms) > 0
return {
  due(':leases', now_ms), due(':hours', now_ms), due(':ends', now_ms), due(':due', now_ms), due(':said', math.floor(now / 1000000)),
  in_turn and 1 or 0, redis.call('EXISTS', TAG .. ':moved'),
}
