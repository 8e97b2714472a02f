-- Append one batch of recipients to a campaign that is being submitted. Safe to repeat.
-- ARGV: id, number, count, payload, parts ('' if every text has one part, else one byte per message), indexes of suppressed
--       messages (u16 each, ascending, each once), the code that says why
-- Reply: 1 stored, 0 it was there already; an error if a batch is missing before it, if it is empty or longer than the campaign's
-- batches are, or if the campaign is sealed. O(1), O(messages) if any is suppressed.
local campaign = campaign_key(ARGV[1])
local number, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local about = redis.call('HMGET', campaign, 'state', 'batches', 'total', 'size')
local batches = tonumber(about[2])
if not batches then return redis.error_reply('NOCAMPAIGN the campaign is not there') end
if number < batches then return 0 end
if about[1] ~= 'submitting' then return redis.error_reply('SEALED the campaign is ' .. about[1]) end
if number > batches then return redis.error_reply('GAP batch ' .. number .. ' cannot follow ' .. batches .. ' batches') end
if count < 1 or count > tonumber(about[4]) then
  return redis.error_reply('SIZE a batch of ' .. count .. ' messages where 1 to ' .. about[4] .. ' fit')
end
if tonumber(about[3]) ~= batches * tonumber(about[4]) then return redis.error_reply('SHORT only the last batch may be short') end
redis.call('SET', campaign .. ':p:' .. number, ARGV[4])
if ARGV[5] ~= '' then redis.call('SET', campaign .. ':k:' .. number, ARGV[5]) end
redis.call('HINCRBY', campaign, 'batches', 1)
redis.call('HINCRBY', campaign, 'total', count)
local suppressed = #ARGV[6] / 2
if suppressed > 0 then
  local states, records = {}, {}
  for place = 1, count do
    states[place], records[place] = 'p', string.rep('\0', WIDTH)
  end
  local record = struct.pack(RECORD, 0, 0, tonumber(ARGV[7]), 0, 0, NO_TRANSACTION)
  for at = 1, #ARGV[6], 2 do
    local place = struct.unpack('>I2', ARGV[6], at) + 1
    states[place], records[place] = 'u', record
  end
  redis.call('SET', campaign .. ':m:' .. number, table.concat(states) .. table.concat(records))
  redis.call('HINCRBY', campaign, 'u', suppressed)
  redis.call('HINCRBY', campaign .. ':codes', 'suppressed:' .. ARGV[7], suppressed)
end
redis.call('HINCRBY', campaign, 'p', count - suppressed)
return 1
