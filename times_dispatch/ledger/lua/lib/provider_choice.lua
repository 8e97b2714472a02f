-- uses: names keys providers
-- Choose the first provider of the chain that can take a message now. A provider that the sender backs off from is
-- tried with one message at a time (a probe), also while a later provider could take all messages: a successful probe
-- ends the back-off. A silent provider that the campaign avoids gets one message at a time too. A provider that is lost
-- to the worker is passed over, like a provider that the sender backs off from. But if the lost provider answered other
-- workers just now, the batch is left to these workers.
--   chain           the providers of the campaign by priority, joined by blanks
--   first_provider  the first provider of the chain
--   sender          the fields of the sender's hash, with the fields of the first provider
--   avoided         the silent providers that the campaign avoids (avoided_providers), joined by blanks
--   worker          a table: `lost` and `tried`, see open_block.lua
--   now             the clock in microseconds
-- Returns a table:
--   chain_index   the index of the provider in the chain; nil if no provider can take a message now
--   probed        the name of the provider, if the block is a probe after a back-off; else nil
--   silent_probe  the name of the provider, if the block is to find out whether reports come again; else nil
--   is_tried      whether the block is to find out whether the worker reaches the provider again
--   out_of_reach  true if only other workers can use the provider that could take a message
--   soonest_us    when the first provider can take a message, if none can now; nil if all are braked
local function choose_provider(chain, first_provider, sender, avoided, worker, now)
  local chain_index, soonest_us, has_lost = 0, nil, false
  for provider in string.gmatch(chain, '%S+') do
    local fields = sender
    if provider ~= first_provider then
      fields = read_fields(key_of_sender('sender'), provider_field('brake', provider),
        provider_field('back_off_until_us', provider), provider_field('back_off_count', provider),
        provider_field('probe_us', provider))
    end
    local state = provider_state(fields, provider, now)
    if not state.is_braked then
      local free_us, is_avoided = state.free_us, avoided ~= '' and has_provider(avoided, provider)
      if is_avoided then free_us = math.max(free_us, silence_probe_at(provider, now)) end
      if worker.lost ~= '' and has_provider(worker.lost, provider) then
        if answered_lately(provider, now) then return {out_of_reach = true} end
        has_lost, free_us = true, math.huge
      end
      if free_us <= now then
        return {
          chain_index = chain_index, probed = state.backs_off and provider or nil,
          silent_probe = is_avoided and provider or nil, is_tried = provider == worker.tried,
        }
      end
      soonest_us = math.min(soonest_us or free_us, free_us)
    end
    chain_index = chain_index + 1
  end
  return {soonest_us = soonest_us, out_of_reach = has_lost}
end
