-- uses: names keys
--
-- Replace the payload of an entry of a stream of posted bodies: the entry is added anew, with its other fields, and the
-- old entry is deleted. Safe to repeat: an entry that is gone is not replaced again.
--
-- Arguments
--   group    the consumer group of the stream
--   id       the id of the entry
--   payload  the new payload
--   or_held  1: the entry is replaced also if a reader holds the entry; 0: an entry that a reader holds stays
-- Reply: status is one of
--   replaced  the entry has a new id
--   held      a reader holds the entry
--   gone      there is no such entry
-- Keys: the stream, whose name is the hash tag; the field b has the payload (callbacks/streams.py).
-- Atomic: no reader gets the old entry after the new entry, or both entries.
-- Cost: O(bytes of the entry).
local args = arguments({'group', 'id', 'payload', 'or_held'})
local stream = string.sub(HASH_TAG, 2, -2)

local entry = unpack(redis.call('XRANGE', stream, args.id, args.id))
if not entry then return reply({status = 'gone'}) end
-- If the stream has no consumer group, Redis replies with an error, and no reader has ever read the stream.
local held = redis.pcall('XPENDING', stream, args.group, args.id, args.id, 1)
local is_held = not held.err and #held > 0
if is_held and args.or_held ~= '1' then return reply({status = 'held'}) end
local _, fields = unpack(entry)
local is_payload = false
for position, value in ipairs(fields) do
  if is_payload then fields[position] = args.payload end
  is_payload = not is_payload and value == 'b' and position % 2 == 1
end
redis.call('XADD', stream, '*', unpack(fields))
if is_held then redis.call('XACK', stream, args.group, args.id) end
redis.call('XDEL', stream, args.id)
return reply({status = 'replaced'})
