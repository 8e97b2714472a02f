-- uses: names keys
-- The stops of a sender at one provider. Either the provider is braked until a person resumes the sender, or the sender
-- backs off from the provider: nothing is sent until back_off_until_us, then one message at a time (a probe), until the
-- provider accepts a message. A campaign's chain is the list of its providers by priority, joined by blanks.
--
-- A provider whose delivery reports are missing is silent: promotional messages are held back from the provider, and
-- one such message is tried from time to time (silence_probe_us). The field `silent` of the sender's hash lists the
-- silent providers, joined by blanks. All other messages go through a silent provider as usual.

-- A provider that can take a message within this time counts as a provider that can take one now.
local SOON_US = 1000000
-- A campaign whose messages none of its providers can take is checked again after this time at the latest.
local MAX_BLOCKED_US = 60000000

-- Return the name of a field of the sender's hash for one provider.
local function provider_field(name, provider)
  return name .. '@' .. provider
end

-- The longest back-off is the longest time that a provider may ask for (MAX_RETRY_AFTER_S in
-- provider/description/responses.py). The next probe waits for at most PROBE_INTERVAL_US.
local MAX_BACK_OFF_US = 900000000
local PROBE_INTERVAL_US = 1000000
-- A worker that gets no response from a provider which answered in this time is cut off from the provider.
local ANSWERED_LATELY_US = 5000000

-- Return when a wait ends, in microseconds; 0 if the wait is longer than the longest possible wait. A longer wait was
-- written before Redis' clock was set back, and counts as over.
local function end_of_wait(until_us, max_wait_us, now)
  until_us = tonumber(until_us or '0')
  return until_us <= now + max_wait_us and until_us or 0
end

-- Read from fields of the sender's hash whether messages may go through a provider. Returns a table:
--   is_braked  whether the provider is braked
--   backs_off  whether the sender backs off from the provider
--   free_us    when a message may go through the provider (microseconds, epoch); 0 is at once
local function provider_state(sender, provider, now)
  local brake = sender[provider_field('brake', provider)]
  local backs_off = tonumber(sender[provider_field('back_off_count', provider)] or '0') > 0
  local back_off_us = end_of_wait(sender[provider_field('back_off_until_us', provider)], MAX_BACK_OFF_US, now)
  local probed_us = end_of_wait(sender[provider_field('probe_us', provider)], PROBE_INTERVAL_US, now)
  return {
    is_braked = brake and brake ~= '', backs_off = backs_off,
    free_us = backs_off and math.max(back_off_us, probed_us) or 0,
  }
end

-- Say whether a list of providers, joined by blanks, has a provider.
local function has_provider(list, provider)
  return string.find(' ' .. list .. ' ', ' ' .. provider .. ' ', 1, true) ~= nil
end

-- Say whether a list of silent providers, joined by blanks, has a provider.
local function is_silent(silent, provider)
  return has_provider(silent, provider)
end

-- Say whether a time (microseconds, epoch) is one of the last seconds. A time in the future was written before Redis'
-- clock was set back.
local function is_lately(answered_us, now)
  answered_us = tonumber(answered_us or '0')
  return answered_us <= now and answered_us > now - ANSWERED_LATELY_US
end

-- Say whether a provider accepted or rejected a message of the sender in the last seconds, from any worker.
local function answered_lately(provider, now)
  return is_lately(redis.call('HGET', key_of_sender('sender'), provider_field('answered_us', provider)) or nil, now)
end

-- Return a list of providers, joined by blanks, without one of them.
local function without_provider(silent, provider)
  local others = {}
  for name in string.gmatch(silent, '%S+') do
    if name ~= provider then others[#others + 1] = name end
  end
  return table.concat(others, ' ')
end

-- Return when the next promotional message may go through a silent provider (microseconds, epoch).
local function silence_probe_at(provider, now)
  local probe_us = redis.call('HGET', key_of_sender('sender'), provider_field('silence_probe_us', provider))
  return end_of_wait(probe_us or nil, MAX_BACK_OFF_US, now)
end

-- Note that a message is tried through a provider that backs off: the next probe waits for PROBE_INTERVAL_US.
local function note_probe(provider, now)
  redis.call('HSET', key_of_sender('sender'), provider_field('probe_us', provider),
    string.format('%.0f', now + PROBE_INTERVAL_US))
end

-- Note that a promotional message is tried through a silent provider: the wait for the next message is twice as long.
local function note_silence_probe(provider, now)
  local sender_key, field = key_of_sender('sender'), provider_field('silence_wait_ms', provider)
  local wait_ms = math.min(tonumber(redis.call('HGET', sender_key, field) or '0'), MAX_BACK_OFF_US / 1000)
  redis.call('HSET', sender_key, provider_field('silence_probe_us', provider),
    string.format('%.0f', now + wait_ms * 1000), field, math.min(2 * wait_ms, MAX_BACK_OFF_US / 1000))
end

-- Return which of the sender's silent providers a campaign avoids, joined by blanks: only promotional messages are held
-- back from silent providers.
--   campaign  the campaign's fields, with `promotional`
--   silent    the field `silent` of the sender's hash
local function avoided_providers(campaign, silent)
  return campaign.promotional and silent or ''
end

-- Return when the first provider of a chain can take a message (microseconds, epoch); math.huge if all are braked.
-- `avoided` lists the providers that the campaign avoids (avoided_providers).
local function free_us_of_chain(chain, now, avoided)
  local soonest_us = math.huge
  for provider in string.gmatch(chain, '%S+') do
    local brake, back_off_until_us = provider_field('brake', provider), provider_field('back_off_until_us', provider)
    local sender = read_fields(key_of_sender('sender'), brake, back_off_until_us)
    if not sender[brake] or sender[brake] == '' then
      local free_us = end_of_wait(sender[back_off_until_us], MAX_BACK_OFF_US, now)
      if has_provider(avoided, provider) then free_us = math.max(free_us, silence_probe_at(provider, now)) end
      soonest_us = math.min(soonest_us, free_us)
    end
  end
  return soonest_us
end

-- Say whether some provider of a campaign's chain can take a message now, or soon. If none can, the campaign leaves its
-- rotation until a provider may take a message again: the back-off of a provider ends, or a person resumes the sender.
-- `avoided` lists the providers that the campaign avoids (avoided_providers). `known` keeps the results by chain, so
-- that a script computes each chain once.
local function can_take_or_block(id, rotation_key, chain, now, avoided, known)
  local name = avoided == '' and chain or chain .. '|' .. avoided
  known[name] = known[name] or free_us_of_chain(chain, now, avoided)
  if known[name] <= now + SOON_US then return true end
  local check_us = math.min(known[name] - SOON_US, now + MAX_BLOCKED_US)
  redis.call('ZREM', rotation_key, id)
  redis.call('ZADD', key_of_sender('blocked'), math.floor(check_us / 1000), id)
  return false
end
