-- The send window of a campaign: the hours of the day in which its messages may be sent.

-- A block that is opened at least this long before the send window closes is pushed within the send window, because a
-- push begins at most 750 ms after the opening of its block, or not at all.
local LAST_OPENING_MS = 900

-- Say whether a campaign is outside its send window (its fields send_window_opens_ms and send_window_closes_ms). Upkeep
-- sets the next send window, see set_send_window.lua. A campaign that sends at any hour has no send_window_closes_ms.
local function is_outside_send_window(campaign, now_ms)
  local closes_ms = tonumber(campaign.send_window_closes_ms or '0')
  local opens_ms = campaign.send_window_opens_ms
  return closes_ms > 0 and (now_ms < tonumber(opens_ms) or now_ms >= closes_ms - LAST_OPENING_MS)
end
