-- End work on a batch: finished, handed back, or (without a token) taken in from a worker that is gone.
-- ARGV: id, number, token
-- Reply: {'released', in doubt, state of the campaign} | {'lost'}. O(messages of the batch).
local id, number, token = ARGV[1], ARGV[2], ARGV[3]
local campaign = campaign_key(id)
if redis.call('HGET', campaign .. ':b:' .. number, 'token') ~= token then return {'lost'} end
local doubted = take_in(id, campaign, tonumber(number), clock_us())
return {'released', doubted, redis.call('HGET', campaign, 'state')}
