-- uses: names keys
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
-- Atomic: a copy waits, or is counted as dropped.
-- Cost: O(copies).
local args = arguments({'max_copies', 'max_bytes', 'lanes'}, {copies = {'lane', 'score', 'member'}})
local prefix, waiting, bytes, added, dropped = HASH_TAG .. ':forward:', 0, 0, 0, 0
local totals_key = prefix .. 'totals'

for lane = 0, tonumber(args.lanes) - 1 do
  waiting = waiting + redis.call('ZCARD', prefix .. lane)
  bytes = bytes + (redis.call('MEMORY', 'USAGE', prefix .. lane) or 0)
end
for _, copy in ipairs(args.copies) do added = added + #copy.member end
local room = math.max(0, tonumber(args.max_copies) - waiting)
if bytes + added > tonumber(args.max_bytes) then room = 0 end
for _, copy in ipairs(args.copies) do
  local key = prefix .. copy.lane
  if not redis.call('ZSCORE', key, copy.member) then
    -- The reply is a number, or a table with an error if Redis is full.
    local is_added = room > 0 and type(redis.pcall('ZADD', key, copy.score, copy.member)) == 'number'
    if is_added then
      room = room - 1
    else
      room, dropped = 0, dropped + 1
    end
  end
end
if dropped > 0 then
  redis.call('DEL', HASH_TAG)  -- deletes nothing: after a first write Redis refuses no other write
  redis.call('HINCRBY', totals_key, 'dropped_full', dropped)
end
return reply({dropped = dropped})
