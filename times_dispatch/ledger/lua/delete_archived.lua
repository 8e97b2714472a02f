-- uses: names keys memory
--
-- Delete some of the keys that an archived campaign still has in Redis. Safe to repeat, also in several processes at
-- the same time.
--
-- Arguments
--   campaign     the id of the campaign
--   max_batches  how many batches one call deletes
-- Reply: left, how many batches are left; 0 if nothing is left to delete.
-- Keys: all keys of the campaign; the sender's links, leaving and settle_due.
-- Atomic: the deletion, and the count of the batches that are left.
-- Cost: O(max_batches); Redis frees the memory in the background.
local args = arguments({'campaign', 'max_batches'})
local id, campaign_key = args.campaign, key_of_campaign(args.campaign)

run_without_memory()
local campaign = read_fields(campaign_key, 'archive', 'archive_batches')
if campaign.archive ~= 'archived' and campaign.archive ~= 'erased' then return reply({left = 0}) end
local batches = tonumber(campaign.archive_batches or nil)
if not batches then return reply({left = 0}) end
local left = math.max(0, batches - tonumber(args.max_batches))
for batch_number = left, batches - 1 do
  local keys = {}
  for _, kind in ipairs({RECIPIENTS, PARTS, FINGERPRINTS, MESSAGES, LEASE, RELEASE}) do
    keys[#keys + 1] = key_of_batch(campaign_key, kind, batch_number)
  end
  redis.call('UNLINK', unpack(keys))
  redis.call('ZREM', key_of_sender('settle_due'), batch_member(id, batch_number))
end
if left > 0 then
  redis.call('HSET', campaign_key, 'archive_batches', left)
  return reply({left = left})
end
for _, name in ipairs({'clicked', 'replied', 'opted_out', 'clickers', 'repliers', 'unsubscribers', 'visits', 'attempts',
  'retries', 'reacted', 'link_previewed', 'link_scanned', 'link_probed'}) do
  redis.call('UNLINK', campaign_key .. ':' .. name)
end
for link = 0, MAX_LINKS do redis.call('UNLINK', key_of_link_clickers(campaign_key, link)) end
local links_key = key_of_sender('links')
local link_number = redis.call('HGET', links_key, 'number:' .. id)
if link_number then redis.call('HDEL', links_key, 'number:' .. id, 'campaign:' .. link_number) end
redis.call('HDEL', campaign_key, 'archive_batches')
redis.call('SREM', key_of_sender('leaving'), id)
return reply({left = 0})
