-- uses: keys
-- Limits in SMS parts: the budget of a campaign, and the sender's cap of a day. Parts count from the opening of a
-- block; what the provider did not take is given back.

-- Return how many SMS parts messages of a batch have: indexes from 0.
local function parts_of(campaign_key, number, indexes)
  local part_counts, parts = redis.call('GET', key_of_batch(campaign_key, PARTS, number)), 0
  for _, index in ipairs(indexes) do parts = parts + (part_counts and string.byte(part_counts, index + 1) or 1) end
  return parts
end

-- Return how many SMS parts may still go: by the budget of the campaign (its fields max_parts and parts_out), and by
-- the sender's cap of this day (the fields max_parts_per_day, day and day_parts of its pace). Without a limit that is
-- math.huge.
local function parts_left(campaign, pace, today)
  local budget, per_day = tonumber(campaign.max_parts), tonumber(pace.max_parts_per_day or '0')
  local spent_today = tonumber(pace.day) == today and tonumber(pace.day_parts) or 0
  local of_budget = budget > 0 and budget - tonumber(campaign.parts_out) or math.huge
  local of_day = per_day > 0 and per_day - spent_today or math.huge
  return of_budget, of_day
end

-- Count parts that were opened for the cap of the day. The campaign's own count, parts_out, is written with its other
-- fields.
local function spend_parts_of_day(pace, today, parts)
  if tonumber(pace.max_parts_per_day or '0') <= 0 then return end
  local spent_today = tonumber(pace.day) == today and tonumber(pace.day_parts) or 0
  redis.call('HSET', key_of_sender('pace'), 'day', today, 'day_parts', spent_today + parts)
end

-- Count the parts of messages of a batch as handed to a provider, where that is learnt after the fact: indexes from 0.
local function count_parts_out(campaign_key, number, indexes)
  redis.call('HINCRBY', campaign_key, 'parts_out', parts_of(campaign_key, number, indexes))
end

-- Give back parts that the provider did not take: `parts` to the campaign, `parts_of_today` of them to the cap of the
-- day.
local function return_parts(campaign_key, parts, parts_of_today)
  redis.call('HINCRBY', campaign_key, 'parts_out', -parts)
  local pace_key = key_of_sender('pace')
  if parts_of_today > 0 and tonumber(redis.call('HGET', pace_key, 'max_parts_per_day') or '0') > 0 then
    redis.call('HINCRBY', pace_key, 'day_parts', -parts_of_today)
    redis.call('HDEL', pace_key, 'full_day')
  end
end
