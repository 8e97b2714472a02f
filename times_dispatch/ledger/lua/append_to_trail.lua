-- uses: names memory trail
--
-- Append an entry to the trail, about an action that changes nothing else in the ledger (an export). The script runs
-- also when Redis is full, so that exports stay possible; the length of the trail is bounded.
--
-- Arguments
--   trail  the entry of the trail, see lib/trail.lua
-- Reply: empty.
-- Keys: the sender's trail.
-- Atomic: one write.
-- Cost: O(1).
local args = arguments({'trail'})

run_without_memory()
note_in_trail(args.trail)
return reply({})
