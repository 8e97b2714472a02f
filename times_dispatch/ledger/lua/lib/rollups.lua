-- uses: keys budget
-- The places where statistics.lua keeps its counters: the hash of the campaign, the rollup of a day, a provider and a
-- template, and the counters of minutes.

-- For how many days a rollup is kept.
local KEPT_DAYS = 1100
-- For how many hours the counters of minutes are kept, after the hour in which they began.
local KEPT_HOURS = 24

-- Return the name of a provider by its index in a chain.
local function provider_at(chain, chain_index)
  local index = 0
  for provider in string.gmatch(chain, '%S+') do
    if index == chain_index then return provider end
    index = index + 1
  end
  return string.match(chain, '%S+')
end

-- Add amounts to the fields of a hash, in two commands; return whether the hash had none of these fields. Statistics
-- whose key is damaged are skipped: damaged statistics must not stop the messages.
local function add_to_fields(key, amounts)
  local names, list, length, is_new = {}, {}, 0, true
  for name, amount in pairs(amounts) do
    if amount ~= 0 then
      length = length + 1
      names[length] = name
    end
  end
  if length == 0 then return false end
  local values = redis.pcall('HMGET', key, unpack(names))
  if values.err then return false end
  for position = 1, length do
    local name, before = names[position], values[position]
    if before then is_new = false end
    list[2 * position - 1], list[2 * position] = name, (tonumber(before or 0) or 0) + amounts[name]
  end
  redis.call('HSET', key, unpack(list))
  return is_new
end

-- Put a new rollup into the index of the sender's rollups, and remove rollups that are too old from the index.
local function index_rollup(rollup_key, member, day)
  local index_key = key_of_sender('statistics')
  redis.call('ZADD', index_key, day, member)
  redis.call('ZREMRANGEBYSCORE', index_key, '-inf', day - KEPT_DAYS)
  redis.call('EXPIREAT', rollup_key, (day + KEPT_DAYS) * 86400 - INDIA_OFFSET_MS / 1000)
end

-- Add to the counters of minutes; `minutes` has the amounts of each hour, by the hour since the epoch in India.
local function add_minutes(minutes, now_ms)
  local this_hour = math.floor((now_ms + INDIA_OFFSET_MS) / 3600000)
  for hour, amounts in pairs(minutes) do
    if hour > this_hour - KEPT_HOURS then
      local key = key_of_sender('minutes') .. ':' .. hour
      if add_to_fields(key, amounts) then
        redis.call('EXPIREAT', key, (hour + KEPT_HOURS + 1) * 3600 - INDIA_OFFSET_MS / 1000)
      end
    end
  end
end
