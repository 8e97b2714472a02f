-- uses: names keys memory clock trail
--
-- Set fields of a sender's hash. The script runs also when Redis is full, so that a sender can be paused then. Safe to
-- repeat.
--
-- Arguments
--   keep_first  1 if a field that has a value keeps it, else 0
--   is_stop     1 if the sender is paused or braked by the fields, else 0: the time of this call is kept in stopped_us
--   trail       the entry of the trail about the change, see lib/trail.lua; empty: the change is not noted
--   fields      a list: name and value of each field
-- Reply: written, how many fields got another value. Without any, nothing is noted in the trail.
-- Keys: the sender's hash and trail.
-- Atomic: all fields.
-- Cost: O(fields).
local args = arguments({'keep_first', 'is_stop', 'trail'}, {fields = {'name', 'value'}})
local sender_key = key_of_sender('sender')
local written = 0

run_without_memory()
for _, field in ipairs(args.fields) do
  local before = redis.call('HGET', sender_key, field.name)
  if not before or (args.keep_first == '0' and before ~= field.value) then
    redis.call('HSET', sender_key, field.name, field.value)
    written = written + 1
  end
end
if args.is_stop == '1' then redis.call('HSET', sender_key, 'stopped_us', string.format('%.0f', now_us())) end
if written > 0 then note_in_trail(args.trail) end
return reply({written = written})
