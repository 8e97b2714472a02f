-- uses: names keys forwarding
--
-- Put copies of reports into the queue of forwarding while the queue has room, and count the copies that are dropped. A
-- copy that is in the queue already is neither queued again nor dropped, so a repeated call drops only copies that
-- found no room. The script runs also when Redis is full: then all copies are dropped and counted.
--
-- Arguments
--   max_copies  how many copies may wait
--   max_bytes   how many bytes of memory the queue may take
--   lanes       how many lanes the queue has
--   copies      lane; score, the time of the report's entry in the stream; member, the packed copy
-- Reply: dropped, how many copies found no room.
-- Keys: the lanes and the totals of forwarding; the hash tag is {reports}.
-- Atomic: a copy waits and its bytes are counted, or the copy is counted as dropped.
-- Cost: O(copies).
local args = arguments({'max_copies', 'max_bytes', 'lanes'}, {copies = {'lane', 'score', 'member'}})
local max_copies, max_bytes, dropped = tonumber(args.max_copies), tonumber(args.max_bytes), 0
local waiting, bytes = waiting_copies(tonumber(args.lanes))

local bytes_before = bytes
for _, copy in ipairs(args.copies) do
  local key = key_of_lane(copy.lane)
  if not redis.call('ZSCORE', key, copy.member) then
    local bytes_after = bytes + memory_of_copy(copy.member)
    local has_room = dropped == 0 and waiting < max_copies and bytes_after <= max_bytes
    -- The reply is a number, or a table with an error if Redis is full.
    if has_room and type(redis.pcall('ZADD', key, copy.score, copy.member)) == 'number' then
      waiting, bytes = waiting + 1, bytes_after
    else
      dropped = dropped + 1
    end
  end
end
if bytes > bytes_before then redis.call('HSET', forward_totals_key, 'bytes', bytes) end
if dropped > 0 then
  redis.call('DEL', HASH_TAG)  -- deletes nothing: after a first write Redis refuses no other write
  redis.call('HINCRBY', forward_totals_key, 'dropped_full', dropped)
end
return reply({dropped = dropped})
