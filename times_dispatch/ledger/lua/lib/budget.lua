-- uses: keys
-- Limits in SMS parts: the budget of a campaign, and the sender's daily cap. Parts count from the opening of a block;
-- the parts of messages that the provider did not take are returned.

-- Return the day since the epoch in Asia/Kolkata, which has no daylight saving: a daily cap ends at its midnight.
local INDIA_OFFSET_MS = 19800000
local function day_of(ms)
  return math.floor((ms + INDIA_OFFSET_MS) / 86400000)
end

-- Return how many SMS parts some messages of a batch have; `indexes` lists the messages, from 0.
local function parts_of(campaign_key, batch_number, indexes)
  local part_counts, parts = redis.call('GET', key_of_batch(campaign_key, PARTS, batch_number)), 0
  for _, index in ipairs(indexes) do parts = parts + (part_counts and string.byte(part_counts, index + 1) or 1) end
  return parts
end

-- Return how many SMS parts may still be sent, as a table; math.huge without a limit.
--   of_budget  by the budget of the campaign (its fields max_parts and parts_out)
--   of_day     by the sender's daily cap (the fields max_parts_per_day, day and day_parts of its hash)
local function parts_left(campaign, sender, today)
  local budget, per_day = tonumber(campaign.max_parts), tonumber(sender.max_parts_per_day or '0')
  local spent_today = tonumber(sender.day) == today and tonumber(sender.day_parts) or 0
  return {
    of_budget = budget > 0 and budget - tonumber(campaign.parts_out) or math.huge,
    of_day = per_day > 0 and per_day - spent_today or math.huge,
  }
end

-- Count the parts of opened messages for the daily cap. The caller writes the campaign's own count, parts_out, together
-- with the campaign's other fields.
local function spend_parts_of_day(sender, today, parts)
  if tonumber(sender.max_parts_per_day or '0') <= 0 then return end
  local spent_today = tonumber(sender.day) == today and tonumber(sender.day_parts) or 0
  redis.call('HSET', key_of_sender('sender'), 'day', today, 'day_parts', spent_today + parts)
end

-- Count the parts of messages of a batch as handed to a provider, if a report or a result shows this only later;
-- `indexes` lists the messages, from 0.
local function count_parts_out(campaign_key, batch_number, indexes)
  redis.call('HINCRBY', campaign_key, 'parts_out', parts_of(campaign_key, batch_number, indexes))
end

-- Return parts that the provider did not take: `parts` to the campaign, and `parts_of_today` of them to the daily cap.
local function return_parts(campaign_key, parts, parts_of_today)
  redis.call('HINCRBY', campaign_key, 'parts_out', -parts)
  local sender_key = key_of_sender('sender')
  if parts_of_today > 0 and tonumber(redis.call('HGET', sender_key, 'max_parts_per_day') or '0') > 0 then
    redis.call('HINCRBY', sender_key, 'day_parts', -parts_of_today)
    redis.call('HDEL', sender_key, 'full_day')
  end
end
