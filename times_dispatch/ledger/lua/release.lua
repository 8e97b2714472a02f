-- End work on a batch: finished, or handed back. Safe to repeat: for a while the same token gets the same answer.
-- ARGV: id, number, token
-- Reply: {'released', in doubt, state of the campaign} | {'lost'}. O(messages of the batch).
local REMEMBERED_MS = 60000
local id, number, token = ARGV[1], ARGV[2], ARGV[3]
local campaign = campaign_key(id)
local released = campaign .. ':r:' .. number
if redis.call('HGET', campaign .. ':b:' .. number, 'token') ~= token then
  local by, doubted = string.match(redis.call('GET', released) or '', '^(%d+) (%d+)$')
  if by ~= token then return {'lost'} end
  return {'released', tonumber(doubted), redis.call('HGET', campaign, 'state')}
end
local doubted = take_in(id, campaign, tonumber(number), now_us())
redis.call('SET', released, token .. ' ' .. doubted, 'PX', REMEMBERED_MS)
return {'released', doubted, redis.call('HGET', campaign, 'state')}
