-- uses: names keys memory clock
--
-- Renew the leases that one worker holds of a sender's batches. Safe to repeat.
--
-- Arguments
--   lease_ms  how long the leases last from now on
--   batches   a list: campaign, batch_number and token of each lease
-- Reply: held, one byte for each lease: 1 if it is renewed, 0 if it went to another worker.
-- Keys: lease of each batch; the sender's leases.
-- Cost: O(batches).
-- This script only changes the scores of existing members, so it runs also when Redis is full.
local args = arguments({'lease_ms'}, {batches = {'campaign', 'batch_number', 'token'}})
local ends_ms = math.floor(now_us() / 1000) + tonumber(args.lease_ms)
local leases_key = key_of_sender('leases')
run_without_memory()
local held = {}
for position, batch in ipairs(args.batches) do
  local lease_key = key_of_batch(key_of_campaign(batch.campaign), LEASE, batch.batch_number)
  local is_held = redis.call('HGET', lease_key, 'token') == batch.token
  if is_held then redis.call('ZADD', leases_key, 'XX', ends_ms, batch_member(batch.campaign, batch.batch_number)) end
  held[position] = is_held and '1' or '0'
end
return reply({held = table.concat(held)})
