-- Shared by every script: scripts.py puts this text before each of them (Redis 6.2 has no libraries for scripts).
--
-- KEYS[1]  the sender's tag, "{TIMESM}"; every key a script touches begins with it, so all live in one cluster slot.
--
-- A batch's messages are one string "<tag>:c:<id>:m:<n>": COUNT state bytes, then COUNT records of WIDTH bytes:
--   attempt u8 | block u16 | code u16 | let_go_ms u32 (since created_ms) | reported_s u32 (epoch) | transaction 8 bytes
local TAG = KEYS[1]
local WIDTH = 21
local RECORD = '>I1I2I2I4I4c8'
local NO_TRANSACTION = string.rep('\0', 8)

-- A script that is refused memory must be refused before it has done half of its work: this writes nothing once the field is
-- there, but Redis asks for memory first.
redis.call('HSETNX', TAG .. ':pace', 'fence', 0)

local function campaign_key(campaign)
  return TAG .. ':c:' .. campaign
end

local function record_range(count, index)
  local first = count + index * WIDTH
  return first, first + WIDTH - 1
end

-- Messages that lie near each other are read together, and written together with what lies between them: two commands each way
-- for dozens of them, instead of four for each. A span is what one such group covers; `get` sees what `put` wrote.
local LARGEST_GAP = 8
local function read_span(messages, count, first, last)
  local states = redis.call('GETRANGE', messages, first, last)
  local start = record_range(count, first)
  local records = redis.call('GETRANGE', messages, start, start + (last - first + 1) * WIDTH - 1)
  local new_states, new_records, changed = {}, {}, false
  return {
    get = function(index)
      local place = index - first
      local record, at = new_records[place], 1
      if not record then record, at = records, place * WIDTH + 1 end
      return new_states[place] or string.sub(states, place + 1, place + 1), struct.unpack(RECORD, record, at)
    end,
    put = function(index, state, ...)
      new_states[index - first], new_records[index - first], changed = state, struct.pack(RECORD, ...), true
    end,
    write = function()
      if not changed then return end
      local all_states, all_records = {}, {}
      for place = 0, last - first do
        all_states[place + 1] = new_states[place] or string.sub(states, place + 1, place + 1)
        all_records[place + 1] = new_records[place] or string.sub(records, place * WIDTH + 1, (place + 1) * WIDTH)
      end
      redis.call('SETRANGE', messages, first, table.concat(all_states))
      redis.call('SETRANGE', messages, start, table.concat(all_records))
    end,
  }
end

-- How many of the items from `at` on make one span: their indexes (u16, first in an item of so many bytes) ascend in small steps.
-- Returns where the last of them begins, and its index.
local function end_of_span(packed, width, at)
  local byte = string.byte
  local high, low = byte(packed, at, at + 1)
  local last = high * 256 + low
  while at + width <= #packed do
    high, low = byte(packed, at + width, at + width + 1)
    local following = high * 256 + low
    if following < last or following > last + LARGEST_GAP then break end
    at, last = at + width, following
  end
  return at, last
end

-- How many messages batch n holds: all but the last are full.
local function batch_count(campaign, number)
  local about = redis.call('HMGET', campaign, 'size', 'total', 'batches')
  local size, total = tonumber(about[1]), tonumber(about[2])
  return math.min(size, total - number * size)
end

-- Refuse to work on records that are not as long as they must be, before anything is written.
local function check_records(messages, count)
  local length = redis.call('STRLEN', messages)
  if length ~= 0 and length ~= count * (1 + WIDTH) then error('DAMAGED records of ' .. length .. ' bytes for ' .. count .. ' messages') end
end

-- How the error that pcall caught is worded.
local function wording(failure)
  return type(failure) == 'table' and failure.err or tostring(failure)
end

-- What is damaged is looked at again after so long.
local DAMAGED_MS = 60000

-- Collects counter changes, so that a group of messages costs one HINCRBY per counter.
local function tally()
  local changes = {}
  return {
    move = function(from, to)
      changes[from] = (changes[from] or 0) - 1
      changes[to] = (changes[to] or 0) + 1
    end,
    add = function(name, amount)
      changes[name] = (changes[name] or 0) + amount
    end,
    write = function(hash)
      for name, change in pairs(changes) do
        if change ~= 0 then redis.call('HINCRBY', hash, name, change) end
      end
    end,
  }
end

-- Say whether a campaign's hours of the day are over, or have not begun. What is opened until shortly before their end has begun
-- by then: a push begins within 750 ms of its opening, or not at all. Upkeep moves the hours on (see reopen.lua).
local CLOSING_MS = 900
local function is_closed(opens_ms, closes_ms, now_ms)
  local closes = tonumber(closes_ms or '0')
  return closes > 0 and (now_ms < tonumber(opens_ms) or now_ms >= closes - CLOSING_MS)
end

-- The day in Asia/Kolkata, which has no daylight saving: caps of the day end at its midnight.
local function day_of(ms)
  return math.floor((ms + 19800000) / 86400000)
end

-- Campaigns with a limit of their own go in a lane beside the others: their batches stay out for long, and would fill the window
-- of their sender.
local function lane(campaign)
  return tonumber(redis.call('HGET', campaign, 'rate')) > 0 and ':own' or ''
end

-- What `:pace` says of a sender at one provider: each has brakes and a backing off of its own.
local function standing(provider)
  return 'brake@' .. provider, 'hold_until_us@' .. provider, 'hold_n@' .. provider, 'probe_us@' .. provider
end

-- Whether some provider of a chain can take something now, or within a second. What was found out is kept in `known`, by chain.
local SOON_US = 1000000
local function can_take(chain, now, known)
  if known[chain] == nil then
    known[chain] = false
    for provider in string.gmatch(chain, '%S+') do
      local found = redis.call('HMGET', TAG .. ':pace', standing(provider))
      if (not found[1] or found[1] == '') and tonumber(found[2] or '0') <= now + SOON_US then
        known[chain] = true
        break
      end
    end
  end
  return known[chain]
end

-- Put a campaign in turn (again), if it is running; last in the row.
local function queue_campaign(id, campaign)
  if redis.call('HGET', campaign, 'state') ~= 'running' then return end
  local rotation = TAG .. ':rotation' .. lane(campaign)
  if redis.call('ZSCORE', rotation, id) then return end
  redis.call('ZADD', rotation, redis.call('HINCRBY', TAG .. ':pace', 'turn', 1), id)
end

local function unqueue_campaign(id)
  redis.call('ZREM', TAG .. ':rotation', id)
  redis.call('ZREM', TAG .. ':rotation:own', id)
  redis.call('ZREM', TAG .. ':waiting', id)
end

-- The window of a lane holds its batches that still have something to open; each campaign counts its own as "out".
local function enter_window(campaign, member)
  if redis.call('SADD', TAG .. ':window' .. lane(campaign), member) == 1 then redis.call('HINCRBY', campaign, 'out', 1) end
end

local function leave_window(campaign, member)
  local window = ':window' .. lane(campaign)
  if redis.call('SREM', TAG .. window, member) == 1 then
    redis.call('HINCRBY', campaign, 'out', -1)
    -- A campaign gives up its turn while it is at its own limit.
    if window == ':window:own' then queue_campaign(string.match(member, '^%w+'), campaign) end
  end
end

-- Say that a campaign is finished, which is only ever true when nothing is pending or sending. One that is held stays so while
-- something is in doubt: if that is to be sent again, it waits for a person's resume.
local function finish_if_done(id, campaign, now)
  local about = redis.call('HMGET', campaign, 'state', 'p', 's', 'i')
  local held = about[1] == 'paused' or about[1] == 'braked'
  local live = about[1] == 'running' or (held and tonumber(about[4]) == 0)
  if live and tonumber(about[2]) == 0 and tonumber(about[3]) == 0 then
    redis.call('HSET', campaign, 'state', 'finished', 'reason', '', 'finished_ms', math.floor(now / 1000))
    unqueue_campaign(id)
    return 1
  end
  return 0
end

-- Stop a campaign by itself. What was rejected for the reason is pending again, and goes out after a resume.
local function brake_campaign(id, campaign, reason)
  if redis.call('HGET', campaign, 'state') == 'running' then
    redis.call('HSET', campaign, 'state', 'braked', 'reason', reason)
    unqueue_campaign(id)
  end
end

-- Keep which of the last N were bad (one byte each, in a ring), and say whether their share is above what is allowed.
-- Nothing is said before N were seen: three rejections at the start of a campaign prove nothing.
local function too_many_bad(campaign, which, marks)
  local about = redis.call('HMGET', campaign, 'brake_' .. which .. '_last', 'brake_' .. which .. '_share', which .. '_seen', which .. '_bad')
  local last, share = tonumber(about[1] or '0'), tonumber(about[2] or '0')
  if last == 0 or marks == '' then return false end
  if #marks > last then marks = string.sub(marks, -last) end
  local ring = campaign .. ':recent_' .. which
  local seen, bad = tonumber(about[3] or '0'), tonumber(about[4] or '0')
  local function put(at, piece)
    local old = redis.call('GETRANGE', ring, at, at + #piece - 1)
    bad = bad + select(2, string.gsub(piece, '1', '')) - select(2, string.gsub(old, '1', ''))
    redis.call('SETRANGE', ring, at, piece)
  end
  local at = seen % last
  local fits = math.min(#marks, last - at)
  put(at, string.sub(marks, 1, fits))
  if fits < #marks then put(0, string.sub(marks, fits + 1)) end
  seen = seen + #marks
  redis.call('HSET', campaign, which .. '_seen', seen, which .. '_bad', bad)
  return seen >= last and bad > share * last
end

local function forget_bad(campaign)
  redis.call('DEL', campaign .. ':recent_push', campaign .. ':recent_report')
  redis.call('HDEL', campaign, 'push_seen', 'push_bad', 'report_seen', 'report_bad')
end

-- When upkeep must look at this batch again: in-doubt messages at the end of the validity, accepted ones when their
-- report is overdue; false if neither kind is left.
local function next_look_ms(campaign, states, now_ms)
  local about = redis.call('HMGET', campaign, 'until_ms', 'report_wait_ms')
  local look = false
  if string.find(states, 'a', 1, true) then look = now_ms + tonumber(about[2]) end
  if string.find(states, 'i', 1, true) then
    local doubt_ends = math.max(tonumber(about[1]), now_ms)
    if not look or doubt_ends < look then look = doubt_ends end
  end
  return look
end

-- Take a batch in from work: whatever is still `sending` has nobody who can say what became of it, so it is in doubt.
-- The lease and the batch's working state go; what is pending waits in the campaign's redo list for its next turn.
local LOST_WORKER = 13
local function take_in(id, campaign, number, now)
  local batch, messages = campaign .. ':b:' .. number, campaign .. ':m:' .. number
  local member = id .. ':' .. number
  local count = batch_count(campaign, number)
  check_records(messages, count)
  local states = redis.call('GETRANGE', messages, 0, count - 1)
  local doubted = 0
  if states == '' then
    states = string.rep('p', count)
  else
    local at = string.find(states, 's', 1, true)
    while at do
      redis.call('SETRANGE', messages, at - 1, 'i')
      local first = record_range(count, at - 1)
      redis.call('SETRANGE', messages, first + 3, struct.pack('>I2', LOST_WORKER))
      doubted = doubted + 1
      at = string.find(states, 's', at + 1, true)
    end
    if doubted > 0 then
      states = string.gsub(states, 's', 'i')
      redis.call('HINCRBY', campaign, 's', -doubted)
      redis.call('HINCRBY', campaign, 'i', doubted)
      redis.call('HINCRBY', campaign .. ':codes', 'push:' .. LOST_WORKER, doubted)
    end
  end
  redis.call('ZREM', TAG .. ':leases', member)
  leave_window(campaign, member)
  redis.call('DEL', batch)
  if string.find(states, 'p', 1, true) then
    redis.call('LPUSH', campaign .. ':redo', number)
    queue_campaign(id, campaign)
  end
  local look = next_look_ms(campaign, states, math.floor(now / 1000))
  -- What an earlier owner of the batch sent may be due before.
  if look then redis.call('ZADD', TAG .. ':due', 'LT', look, member) end
  finish_if_done(id, campaign, now)
  return doubted
end

-- What a campaign said is spread over hashes that stay listpacks (of up to 512 entries), see admit.lua.
local function said_hashes(digest, id, total)
  return TAG .. ':said:' .. digest .. ':' .. id .. ':', math.ceil(total / 128)
end
