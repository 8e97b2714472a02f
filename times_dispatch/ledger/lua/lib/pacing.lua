-- GCRA (generic cell rate algorithm): a pace gives each message a send time. Send times follow each other `per_unit_us`
-- apart for each unit of cost. The cost of a message is 1, or its SMS parts, see the field cost_unit. A pace keeps only
-- its last send time and the cost of that message. So a new rate takes effect at once, however low the old rate was,
-- and a clock that was set back stops no sender.

-- Send times are given out at most this far ahead of the clock, and this far only to a worker whose round trips to the
-- ledger last as long. A longer round trip would leave the worker no time to push the block.
local MAX_AHEAD_US = 350000
-- While the ledger is slow, a worker pushes messages later than their send times, by the time that replies of the
-- ledger take. All workers use the longest such delay: otherwise a quick worker would push its messages while a slow
-- worker pushes messages with earlier send times, and both together would exceed the rate. So the pace keeps the delay.
-- The delay grows at once, and shrinks by this share of the time that passes: while the delay shrinks, messages are
-- pushed at the rate plus this share.
local CATCH_UP = 0.02
-- The longest delay. A stored delay that seems to be longer was written before the clock was set back, and no longer
-- counts.
local MAX_DELAY_US = 600000
-- No send time is given out this far ahead: a last send time that lies further ahead was written before the clock was
-- set back, and no longer counts.
local IMPOSSIBLE_US = 1000000

-- Numbers of a pace are smaller than this; a larger number is damaged.
local TOO_LARGE = 9007199254740992

-- Return a number of a pace; 0 if there is none, or if it is damaged (also nan and inf). The pace then begins anew.
local function number_of(value)
  local number = tonumber(value or '0')
  if number and number > -TOO_LARGE and number < TOO_LARGE then return number end
  return 0
end

-- Return the next send time of a pace (its fields last_send_time_us and last_send_time_cost), in microseconds since the
-- epoch. The result is never before `earliest_us`. A last send time after `latest_us` counts as `latest_us`.
local function next_send_time(pace, per_unit_us, earliest_us, latest_us)
  local last_us = number_of(pace.last_send_time_us)
  if last_us > latest_us + IMPOSSIBLE_US then return earliest_us end
  last_us = math.min(last_us, latest_us)
  return math.max(last_us + number_of(pace.last_send_time_cost) * per_unit_us, earliest_us)
end

-- Return the delay of a pace in microseconds: the longer of the stored delay (the field delay_ends_us) and the delay
-- `delay_us` that the calling worker needs.
local function delay_of(pace, delay_us, now)
  local left_us = (number_of(pace.delay_ends_us) - now) * CATCH_UP
  if left_us > MAX_DELAY_US then left_us = 0 end
  return math.max(0, left_us, math.min(delay_us, MAX_DELAY_US))
end

-- Keep the delay of a pace in its hash, as the moment at which the delay will have shrunk to 0. Only a worker that
-- needs at least this delay (`wanted_us`) writes it.
local function keep_delay(key, delay_us, wanted_us, now)
  if delay_us == 0 or delay_us > wanted_us then return end
  redis.call('HSET', key, 'delay_ends_us', string.format('%.0f', now + delay_us / CATCH_UP))
end

-- Keep a pace in its hash, after a send time was given to a message of this cost and `next_us` is the next send time.
local function keep_send_time(key, next_us, cost, per_unit_us)
  local last_us = string.format('%.3f', next_us - cost * per_unit_us)
  redis.call('HSET', key, 'last_send_time_us', last_us, 'last_send_time_cost', cost)
end
