-- The hours of the day in which a campaign may send, and the day for which a sender's cap counts.

-- A block that is opened this long before the hours end is pushed within them: a push begins within 750 ms of the
-- opening of its block, or not at all.
local LAST_OPENING_MS = 900

-- Say whether a campaign (its fields opens_ms and closes_ms) is outside its hours. Upkeep moves the hours on, see
-- next_hours.lua. A campaign without hours has no closes_ms.
local function is_outside_hours(campaign, now_ms)
  local closes_ms = tonumber(campaign.closes_ms or '0')
  return closes_ms > 0 and (now_ms < tonumber(campaign.opens_ms) or now_ms >= closes_ms - LAST_OPENING_MS)
end

-- Return the day since the epoch in Asia/Kolkata, which has no daylight saving: the cap of the day ends at its
-- midnight.
local INDIA_OFFSET_MS = 19800000
local function day_of(ms)
  return math.floor((ms + INDIA_OFFSET_MS) / 86400000)
end
