-- uses: names forwarding
--
-- Remove copies of reports from the queue of forwarding, and count the copies that were in the queue. Safe to repeat: a
-- copy that is gone does not count again. The script runs also when Redis is full.
--
-- Arguments
--   count      the field of the totals that counts these copies: a ForwardCount
--   lanes      how many lanes the queue has
--   before_ms  copies of entries that came before this time (epoch, milliseconds) are removed, the oldest `max_old` of
--              each lane; 0: none
--   max_old    see before_ms
--   copies     lane, and member, the packed copy
-- Reply: removed, how many copies were in the queue.
-- Keys: the lanes and the totals of forwarding; the hash tag is {reports}.
-- Atomic: a copy is in the queue and its bytes are counted, or the copy is counted as removed.
-- Cost: O(copies that are removed).
local args = arguments({'count', 'lanes', 'before_ms', 'max_old'}, {copies = {'lane', 'member'}})
local lanes, removed, bytes = tonumber(args.lanes), 0, 0

local function remove(key, member)
  if redis.call('ZREM', key, member) == 1 then
    removed, bytes = removed + 1, bytes + memory_of_copy(member)
  end
end

for _, copy in ipairs(args.copies) do remove(key_of_lane(copy.lane), copy.member) end
if tonumber(args.before_ms) > 0 then
  for lane = 0, lanes - 1 do
    local key = key_of_lane(lane)
    local old = redis.call('ZRANGEBYSCORE', key, '-inf', '(' .. args.before_ms, 'LIMIT', 0, args.max_old)
    for _, member in ipairs(old) do remove(key, member) end
  end
end
if removed > 0 then
  redis.call('HINCRBY', forward_totals_key, args.count, removed)
  if redis.call('HEXISTS', forward_totals_key, 'bytes') == 1 then
    -- Copies that an earlier version put into the queue were not counted.
    local left = waiting_copies(lanes) > 0 and redis.call('HGET', forward_totals_key, 'bytes') - bytes or 0
    redis.call('HSET', forward_totals_key, 'bytes', math.max(0, left))
  end
end
return reply({removed = removed})
