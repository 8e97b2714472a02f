-- uses: names keys
--
-- Remove copies of reports from the queue of forwarding, and count the copies that were in the queue. Safe to repeat: a
-- copy that is gone does not count again. The script runs also when Redis is full.
--
-- Arguments
--   count      the field of the totals that counts these copies: a ForwardCount
--   lanes      how many lanes the queue has
--   before_ms  copies of entries that came before this time are removed (epoch, milliseconds); 0: none
--   copies     lane, and member, the packed copy
-- Reply: removed, how many copies were in the queue.
-- Keys: the lanes and the totals of forwarding; the hash tag is {reports}.
-- Atomic: a copy is either in the queue, or counted.
-- Cost: O(copies that are removed).
local args = arguments({'count', 'lanes', 'before_ms'}, {copies = {'lane', 'member'}})
local prefix, removed = HASH_TAG .. ':forward:', 0

for _, copy in ipairs(args.copies) do
  removed = removed + redis.call('ZREM', prefix .. copy.lane, copy.member)
end
if tonumber(args.before_ms) > 0 then
  for lane = 0, tonumber(args.lanes) - 1 do
    removed = removed + redis.call('ZREMRANGEBYSCORE', prefix .. lane, '-inf', '(' .. args.before_ms)
  end
end
local totals_key = prefix .. 'totals'
if removed > 0 then redis.call('HINCRBY', totals_key, args.count, removed) end
return reply({removed = removed})
