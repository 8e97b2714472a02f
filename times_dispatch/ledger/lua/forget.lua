-- Forget what a campaign said, when the same may be said again: a stretch of its hashes per call.
-- ARGV: most hashes
-- Reply: hashes that may be left of what is due, 0 if nothing is. O(hashes).
local most = tonumber(ARGV[1])
local said = TAG .. ':said'
local now = math.floor(now_us() / 1000000)
local member = redis.call('ZRANGEBYSCORE', said, '-inf', now, 'LIMIT', 0, 1)[1]
if not member then return 0 end
local digest, id, buckets = string.match(member, '^(%x+):(%w+):%d+:(%d+)$')
-- Who spoke again meanwhile is not due, and another is: then it begins with the first hash.
local progress = redis.call('HMGET', said .. ':forgotten', 'member', 'next')
local first = progress[1] == member and tonumber(progress[2]) or 0
local last = math.min(first + most, tonumber(buckets))
for bucket = first, last - 1 do
  redis.call('UNLINK', said .. ':' .. digest .. ':' .. id .. ':' .. bucket)
end
if last < tonumber(buckets) then
  redis.call('HSET', said .. ':forgotten', 'member', member, 'next', last)
else
  redis.call('ZREM', said, member)
  redis.call('DEL', said .. ':forgotten')
end
return tonumber(buckets) - last + redis.call('ZCOUNT', said, '-inf', now)
