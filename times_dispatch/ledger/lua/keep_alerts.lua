-- uses: names keys memory
--
-- Keep the lease of the process that decides about alerts, and write the decisions of the process. The script runs also
-- when Redis is full, because people must get alerts then. The number of open alerts bounds the data that the script
-- writes.
--
-- Arguments
--   token     the token of the process
--   number    the number of the call of the process, from 1: a call that is repeated after a later call writes nothing
--   lease_ms  how long the lease lasts without another call
--   changes   a list: key_end (open, ended, targets or watched), name and value of each item. An empty value deletes
--             the name; in ended the name is the time at which the alert ended (epoch, milliseconds)
-- Reply: status is recorded; or busy: another process holds the lease, and nothing was written.
-- Keys: {alerts}:lease, open, ended, targets and watched.
-- Atomic: the check of the lease and all changes.
-- Cost: O(changes).

-- How many ended alerts are kept.
local MAX_ENDED = 500

local args = arguments({'token', 'number', 'lease_ms'}, {changes = {'key_end', 'name', 'value'}})
local lease_key = HASH_TAG .. ':lease'
local holder, last_number = string.match(redis.call('GET', lease_key) or '', '^(%S+) (%d+)$')
if holder and holder ~= args.token then return reply({status = 'busy'}) end
if holder and tonumber(last_number) > tonumber(args.number) then return reply({status = 'recorded'}) end

run_without_memory()
redis.call('SET', lease_key, args.token .. ' ' .. args.number, 'PX', args.lease_ms)
for _, change in ipairs(args.changes) do
  local key = HASH_TAG .. ':' .. change.key_end
  if change.key_end == 'ended' then
    redis.call('ZADD', key, change.name, change.value)
    local oldest = redis.call('ZRANGE', key, 0, -MAX_ENDED - 1)
    if #oldest > 0 then redis.call('ZREM', key, unpack(oldest)) end
  elseif change.value == '' then
    redis.call('HDEL', key, change.name)
  else
    redis.call('HSET', key, change.name, change.value)
  end
end
return reply({status = 'recorded'})
