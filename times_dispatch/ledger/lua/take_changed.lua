-- uses: names keys memory clock
--
-- Give a worker the changed campaigns that it has to show. The campaigns stay in `showing` until the worker confirms
-- that it has shown them; campaigns that a worker did not confirm in time are given to the next worker.
--
-- Arguments
--   worker         the name of the worker
--   max_campaigns  the maximum number of campaigns in the reply
-- Reply
--   campaigns  a list of ids
-- Keys: the sender's changed and showing.
-- Cost: O(max_campaigns).
local SHOWN_WITHIN_MS = 10000

local args = arguments({'worker', 'max_campaigns'})
local changed_key, showing_key = key_of_sender('changed'), key_of_sender('showing')
local now_ms = math.floor(now_us() / 1000)

run_without_memory()
local campaigns, taken = redis.call('SPOP', changed_key, args.max_campaigns), {}
for _, id in ipairs(campaigns) do taken[id] = true end
-- A time that is further ahead than possible was written before the clock was set back.
for _, range in ipairs({{low = '-inf', high = now_ms}, {low = '(' .. now_ms + SHOWN_WITHIN_MS, high = '+inf'}}) do
  local members = redis.call('ZRANGEBYSCORE', showing_key, range.low, range.high, 'LIMIT', 0, args.max_campaigns)
  for _, member in ipairs(members) do
    local id = string.match(member, '^%S+')
    redis.call('ZREM', showing_key, member)
    if not taken[id] then
      campaigns[#campaigns + 1] = id
      taken[id] = true
    end
  end
end
for _, id in ipairs(campaigns) do
  redis.call('ZADD', showing_key, now_ms + SHOWN_WITHIN_MS, id .. ' ' .. args.worker)
end
return reply({campaigns = campaigns})
