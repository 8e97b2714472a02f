-- Say which messages of an open block may be pushed, and mark that they are: the same text to the same number only after a while,
-- and at most so many messages to a number in a period. Fenced; the same block gets the same answer again, and counts once.
-- ARGV: id, number, token, block, digest of the registered text (8 hex digits), repeat_after_s (0: off), most per number (0: off),
--       per_s, fingerprints of (number, text), 6 bytes each, then, if there is a most, the numbers
-- Reply: {'admitted', seconds (epoch), one byte per message: 0 may go, 2 too many to this number, 3 the same text again} | {'lost'}
-- O(messages x other campaigns with this text that sent something within repeat_after).
--   {S}:said                           sorted set: "<digest>:<campaign>:<created, epoch s>:<buckets>" by when it may be forgotten
--   {S}:said:<digest>:<campaign>:<n>   hash: fingerprint -> seconds since the campaign's creation; small enough for a listpack
--   {S}:heard:<period>:<number[:-5]>   hash: last five digits -> times of the period (epoch s, u32 each, newest last)
-- A number is once in a campaign, so only other campaigns are looked at: what is sent again is not stopped by its own mark.
local id, number, token, block = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local digest, repeat_after, most, per = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local prints = ARGV[9]
local campaign = campaign_key(id)
local batch = campaign .. ':b:' .. number
local held = redis.call('HMGET', batch, 'token', 'asked', 'asked_s', 'admitted')
if held[1] ~= token then return {'lost'} end
if held[2] == block then return {'admitted', tonumber(held[3]), held[4]} end

local now = math.floor(now_us() / 1000000)
local said = TAG .. ':said'
local own, others, own_buckets, age = nil, {}, 0, 0
if repeat_after > 0 then
  local about = redis.call('HMGET', campaign, 'created_ms', 'total')
  local created = math.floor(tonumber(about[1]) / 1000)
  own, own_buckets = said_hashes(digest, id, tonumber(about[2]))
  age = now - created
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', said, '(' .. now, '+inf')) do
    local text, other, since, buckets = string.match(member, '^(%x+):(%w+):(%d+):(%d+)$')
    if text == digest and other ~= id then
      others[#others + 1] = {said .. ':' .. digest .. ':' .. other .. ':', tonumber(buckets), now - tonumber(since)}
    end
  end
  redis.call('ZADD', said, now + repeat_after, digest .. ':' .. id .. ':' .. created .. ':' .. own_buckets)
end

local function was_said(print, place)
  for _, other in ipairs(others) do
    local at = redis.call('HGET', other[1] .. place % other[2], print)
    if at and other[3] - at < repeat_after then return true end
  end
  return false
end

local function heard_in(period, to)
  local key = TAG .. ':heard:' .. period .. ':' .. string.sub(to, 1, -6)
  return key, redis.call('HGET', key, string.sub(to, -5)) or ''
end

-- A period is cut out of two of the clock's periods: what lies before them expires with its key.
local function hear(to)
  local period = math.floor(now / per)
  local _, before = heard_in(period - 1, to)
  local key, times = heard_in(period, to)
  local count = #times / 4
  for at = 1, #before, 4 do
    if struct.unpack('>I4', before, at) > now - per then count = count + 1 end
  end
  if count >= most then return false end
  redis.call('HSET', key, string.sub(to, -5), times .. struct.pack('>I4', now))
  redis.call('EXPIREAT', key, (period + 2) * per)
  return true
end

local answers = {}
for at = 1, #prints / 6 do
  local print = string.sub(prints, at * 6 - 5, at * 6)
  local place = struct.unpack('>I4', print)
  if repeat_after > 0 and was_said(print, place) then
    answers[at] = '3'
  elseif most > 0 and not hear(ARGV[9 + at]) then
    answers[at] = '2'
  else
    answers[at] = '0'
    if own then redis.call('HSET', own .. place % own_buckets, print, age) end
  end
end
local admitted = table.concat(answers)
redis.call('HSET', batch, 'asked', block, 'asked_s', now, 'admitted', admitted)
return {'admitted', now, admitted}
