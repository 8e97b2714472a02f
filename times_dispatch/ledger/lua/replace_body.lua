-- uses: names keys
--
-- Replace the payload of an entry of a stream of posted bodies: the entry is added anew, with its other fields, and the
-- old entry is deleted. Safe to repeat: an entry that is gone is not replaced again.
--
-- Arguments
--   group    the consumer group of the stream
--   id       the id of the entry
--   payload  the new payload
--   request  the new field r, the request in which the payload was posted; empty: the entry has no such field
--   or_held  1: the entry is replaced also if a reader holds the entry; 0: an entry that a reader holds stays
-- Reply: status is one of
--   replaced  the entry has a new id
--   held      a reader holds the entry
--   gone      there is no such entry
-- Keys: the stream, whose name is the hash tag; the field b has the payload (callbacks/streams.py).
-- Atomic: no reader gets the old entry after the new entry, or both entries.
-- Cost: O(bytes of the entry).
local args = arguments({'group', 'id', 'payload', 'request', 'or_held'})
local stream = string.sub(HASH_TAG, 2, -2)

local entry = unpack(redis.call('XRANGE', stream, args.id, args.id))
if not entry then return reply({status = 'gone'}) end
-- If the stream has no consumer group, Redis replies with an error, and no reader has ever read the stream.
local held = redis.pcall('XPENDING', stream, args.group, args.id, args.id, 1)
local is_held = not held.err and #held > 0
if is_held and args.or_held ~= '1' then return reply({status = 'held'}) end
local _, fields = unpack(entry)
local changed = {}
for position = 1, #fields, 2 do
  local name, value = fields[position], fields[position + 1]
  if name == 'b' then value = args.payload end
  if name == 'r' then value = args.request end
  if name ~= 'r' or value ~= '' then
    changed[#changed + 1] = name
    changed[#changed + 1] = value
  end
end
redis.call('XADD', stream, '*', unpack(changed))
if is_held then redis.call('XACK', stream, args.group, args.id) end
redis.call('XDEL', stream, args.id)
return reply({status = 'replaced'})
