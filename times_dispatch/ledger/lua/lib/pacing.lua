-- GCRA: the messages of a pace go at slots, moments that follow each other `per_unit_us` apart for each unit of cost.
-- The cost of a message is 1, or its SMS parts, as the campaign's rate counts.
-- A pace keeps only its last slot and the cost of that slot: so a new rate acts at once, however low the old rate was,
-- and a clock that was set back holds nobody up.

-- Slots are given out at most so far ahead of the clock, to a worker whose round trips to the ledger last that long.
-- After such a round trip no more is left of the worker's time for the pushes of a block.
local MAX_AHEAD_US = 350000
-- No slot is given out so far ahead: a last slot that lies further ahead is from before the clock was set back, and no
-- longer counts.
local IMPOSSIBLE_US = 1000000

-- Return the next slot of a pace (its fields last_slot_us and last_slot_cost), in microseconds since the epoch: not
-- before `earliest_us`. A last slot that no worker can have been given counts as the last one that can be.
local function next_slot(pace, per_unit_us, earliest_us, now)
  local latest_us = now + MAX_AHEAD_US
  local last_us = tonumber(pace.last_slot_us or '0')
  if last_us > latest_us + IMPOSSIBLE_US then return earliest_us end
  last_us = math.min(last_us, latest_us)
  return math.max(last_us + tonumber(pace.last_slot_cost or '0') * per_unit_us, earliest_us)
end

-- Keep a pace in its hash, after a slot of this cost was given out and `next_us` is the next one.
local function keep_slot(key, next_us, cost, per_unit_us)
  redis.call('HSET', key, 'last_slot_us', string.format('%.3f', next_us - cost * per_unit_us), 'last_slot_cost', cost)
end
