-- uses: names keys budget
--
-- Find campaigns of a sender, the newest or the oldest first, by a part of the name, the state, the time of creation,
-- the template, the days and the provider of sending, and a code of messages. This script writes nothing.
--
-- Arguments
--   words        a part of the name, or the beginning of the id, escaped as in JSON, with small ASCII letters; empty
--                for all campaigns
--   states       states of campaigns, each between blanks (" finished cancelled "); empty for all
--   since_ms, until_ms  times of creation, both included
--   template     the name of a template; empty for all
--   provider     a provider; empty for all
--   sent_since_day, sent_until_day  days since the epoch, in India: only campaigns that count on one of these days, at
--                the provider if there is one, in the statistics; sent_until_day is 0 for all campaigns
--   reason       a field "<state of messages>:<code>" of the statistics: only campaigns that count messages there;
--                empty for all
--   order        newest or oldest: which campaigns come first
--   after_ms, after_id  only campaigns that come after this campaign in the order; after_id is empty at the beginning
--   count        the maximum number of campaigns in the reply
--   max_examined how many ended campaigns this call may examine
-- Reply
--   matches      "<time of creation>:<id>" of each match, in the order, joined by blanks
--   examined_ms, examined_id  where the next call continues; examined_id is empty if all campaigns were examined
-- Keys: the sender's live and ended, campaigns and their statistics.
-- Cost: O(live campaigns of the sender + max_examined), or O(count) if only times of creation are given.
local args = arguments({'words', 'states', 'since_ms', 'until_ms', 'template', 'provider', 'sent_since_day',
  'sent_until_day', 'reason', 'order', 'after_ms', 'after_id', 'count', 'max_examined'})
local since, last, count = tonumber(args.since_ms), tonumber(args.until_ms), tonumber(args.count)
local after_ms, after_id, is_newest_first = tonumber(args.after_ms), args.after_id, args.order == 'newest'
local sent_since, sent_until = tonumber(args.sent_since_day), tonumber(args.sent_until_day)
local wants_words, wants_states, wants_sent = args.words ~= '', args.states ~= '', sent_until > 0
local wants_template, wants_reason = args.template ~= '', args.reason ~= ''
local wants_fields = wants_words or wants_states or wants_sent or wants_template or wants_reason
local wants_ended = not wants_states or string.find(args.states, ' finished ', 1, true)
  or string.find(args.states, ' cancelled ', 1, true)
local matches = {}

-- Say whether a campaign comes after another campaign in the order; campaigns with the same time of creation are in the
-- order of their ids.
local function comes_after(created_ms, id, other_ms, other_id)
  if created_ms == other_ms then
    if is_newest_first then return id < other_id end
    return id > other_id
  end
  if is_newest_first then return created_ms < other_ms end
  return created_ms > other_ms
end

local function is_named(id, plan)
  if string.sub(id, 1, #args.words) == args.words then return true end
  local name = string.match(plan or '', '^{"name":"(.-)","sender":')
  return name and string.find(string.lower(name), args.words, 1, true)
end

-- Return the fields of a campaign that the search compares; nil if the campaign cannot be read.
local function fields_of(id)
  local values = redis.pcall('HMGET', key_of_campaign(id), 'state', 'created_ms', 'plan', 'first_sent_ms',
    'last_sent_ms', 'sent_days', 'sent_days_until_ms', 'chain', 'template')
  if values.err then return nil end
  local state, created_ms, plan, first_sent_ms, last_sent_ms, sent_days, sent_days_until_ms, chain, template =
    unpack(values)
  return state and {state = state, created_ms = tonumber(created_ms), plan = plan,
    first_sent_ms = tonumber(first_sent_ms or ''), last_sent_ms = tonumber(last_sent_ms or ''),
    sent_days = sent_days or '', has_all_days = sent_days_until_ms == (last_sent_ms or '0'), chain = chain or '',
    template = template}
end

-- Say whether a campaign of which an earlier version sent something may count on the wanted days at the wanted
-- provider: it may have sent on each day from its first to its last push, through each provider of its chain.
local function may_have_sent(fields)
  return fields.first_sent_ms and day_of(fields.first_sent_ms) <= sent_until
    and fields.last_sent_ms and day_of(fields.last_sent_ms) >= sent_since
    and (args.provider == '' or string.find(' ' .. fields.chain .. ' ', ' ' .. args.provider .. ' ', 1, true))
end

-- Say whether a campaign counts on one of the wanted days at the wanted provider.
local function has_sent(fields)
  for entry in string.gmatch(fields.sent_days, '%S+') do
    local colon = string.find(entry, ':', 1, true)
    local day = colon and tonumber(string.sub(entry, 1, colon - 1))
    if day and day >= sent_since and day <= sent_until
      and (args.provider == '' or string.sub(entry, colon + 1) == args.provider) then
      return true
    end
  end
  -- The days of the first block are kept when its messages were pushed.
  return (not fields.has_all_days or fields.sent_days == '') and may_have_sent(fields)
end

-- Say whether a campaign counts messages with the wanted code.
local function has_reason(id)
  local messages = redis.pcall('HGET', key_of_statistics(key_of_campaign(id)), args.reason)
  return type(messages) == 'string' and (tonumber(messages) or 0) > 0
end

local function fits(id, fields)
  return (not wants_states or string.find(args.states, ' ' .. fields.state .. ' ', 1, true))
    and (not wants_words or is_named(id, fields.plan))
    and (not wants_template or fields.template == args.template)
    and (not wants_sent or has_sent(fields))
    and (not wants_reason or has_reason(id))
end

local function add(created_ms, id)
  matches[#matches + 1] = {created_ms = created_ms, id = id}
end

for _, id in ipairs(redis.call('SMEMBERS', key_of_sender('live'))) do
  local fields = fields_of(id)
  local created_ms = fields and fields.created_ms
  if created_ms and created_ms >= since and created_ms <= last and fits(id, fields)
    and (after_id == '' or comes_after(created_ms, id, after_ms, after_id)) then
    add(created_ms, id)
  end
end

local offset, examined, examined_ms, examined_id, from_ended, is_whole = 0, 0, 0, '', 0, false
local newest = (after_id == '' or not is_newest_first) and last or math.min(last, after_ms)
local oldest = (after_id == '' or is_newest_first) and since or math.max(since, after_ms)

-- Return a page of the ended campaigns with their times, in the order.
local function ended_page(size)
  local key, first_ms, last_ms = key_of_sender('ended'), string.format('%.0f', oldest), string.format('%.0f', newest)
  if is_newest_first then
    return redis.call('ZREVRANGEBYSCORE', key, last_ms, first_ms, 'WITHSCORES', 'LIMIT', offset, size)
  end
  return redis.call('ZRANGEBYSCORE', key, first_ms, last_ms, 'WITHSCORES', 'LIMIT', offset, size)
end
while wants_ended and not is_whole and from_ended < count and examined < tonumber(args.max_examined) do
  local page = ended_page(math.min(100, count + 1))
  is_whole = #page == 0
  offset = offset + #page / 2
  for position = 1, #page, 2 do
    local id, created_ms = page[position], tonumber(page[position + 1])
    if from_ended < count and (after_id == '' or comes_after(created_ms, id, after_ms, after_id)) then
      examined, examined_ms, examined_id = examined + 1, created_ms, id
      local fields = wants_fields and fields_of(id)
      if not wants_fields or (fields and fits(id, fields)) then
        add(created_ms, id)
        from_ended = from_ended + 1
      end
    end
  end
end
if is_whole or not wants_ended then examined_id = '' end

table.sort(matches, function(left, right)
  return comes_after(right.created_ms, right.id, left.created_ms, left.id)
end)
local named = {}
for position = 1, math.min(count, #matches) do
  local match = matches[position]
  named[position] = string.format('%.0f', match.created_ms) .. ':' .. match.id
end
return reply({matches = table.concat(named, ' '), examined_ms = string.format('%.0f', examined_ms),
  examined_id = examined_id})
