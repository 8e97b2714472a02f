-- uses: names keys clock memory
--
-- Give the lease of beat to a process, renew the lease, or release it: among several beat processes, only the holder of
-- the lease sends messages. The script runs also when Redis is full. Safe to repeat: the holder gets its own lease
-- again.
--
-- Arguments
--   operation  an id that the process chose at its start
--   process    the host and the id of the process, for people: "web1:71"
--   lease_ms   how long the lease lasts without renewal; 0 releases the lease if the process holds it
-- Reply: token, the fencing token of the process, 0 if the process does not hold the lease; now_ms, the time.
-- Keys: the lease of beat.
-- Atomic: a lease that ran out is given to one process only, with a higher token.
-- Cost: O(1).
local args = arguments({'operation', 'process', 'lease_ms'})
local beat_key = HASH_TAG .. ':beat'
local now_ms = math.floor(now_us() / 1000)
local lease_ms = tonumber(args.lease_ms)

local lease = read_fields(beat_key, 'operation', 'token', 'until_ms')
local until_ms = tonumber(lease.until_ms or 0)
local is_mine = lease.operation == args.operation
run_without_memory()
if lease_ms == 0 then
  if is_mine then redis.call('HSET', beat_key, 'until_ms', 0) end
  return reply({token = 0, now_ms = now_ms})
end
-- A lease that ends later than a new lease would end was written before Redis' clock was set back.
local is_over = until_ms <= now_ms or until_ms > now_ms + lease_ms
if not is_mine and not is_over then return reply({token = 0, now_ms = now_ms}) end
local token = tonumber(lease.token or 0)
if not is_mine or is_over then token = token + 1 end
redis.call('HSET', beat_key, 'operation', args.operation, 'process', args.process, 'token', token,
  'until_ms', now_ms + lease_ms)
return reply({token = token, now_ms = now_ms})
