-- uses: names keys
-- What stops a sender at one provider. The provider is braked until a person resumes the sender, or the sender backs
-- off from the provider: nothing is sent until back_off_until_us, then one message at a time (a probe), until the
-- provider accepts a message. A campaign's chain is the list of its providers by priority, joined by blanks.

-- A provider that can take a message within this time counts as a provider that can take one now.
local SOON_US = 1000000
-- A campaign that none of its providers can take is checked again after this time at the latest.
local MAX_BLOCKED_US = 60000000

-- Return the name of a field of the sender's hash for one provider.
local function provider_field(name, provider)
  return name .. '@' .. provider
end

-- No back-off is longer: the longest is the time that a provider asks for (MAX_RETRY_AFTER_S in
-- provider/description/responses.py). No probe keeps the next probe waiting for longer than PROBE_INTERVAL_US.
local MAX_BACK_OFF_US = 900000000
local PROBE_INTERVAL_US = 1000000

-- Return when a wait ends, in microseconds; 0 if the wait is longer than the longest. Such a wait was written before
-- Redis' clock was set back, and is over.
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

-- Return when the first provider of a chain can take a message (microseconds, epoch); math.huge if all are braked.
local function free_us_of_chain(chain, now)
  local soonest_us = math.huge
  for provider in string.gmatch(chain, '%S+') do
    local brake, back_off_until_us = provider_field('brake', provider), provider_field('back_off_until_us', provider)
    local sender = read_fields(key_of_sender('sender'), brake, back_off_until_us)
    if not sender[brake] or sender[brake] == '' then
      soonest_us = math.min(soonest_us, end_of_wait(sender[back_off_until_us], MAX_BACK_OFF_US, now))
    end
  end
  return soonest_us
end

-- Say whether some provider of a campaign's chain can take a message now, or soon. If none can, the campaign leaves its
-- rotation until that may have changed: the back-off of a provider ends, or a person resumes the sender. `known` keeps
-- the results by chain, so that a script computes each chain once.
local function can_take_or_block(id, rotation_key, chain, now, known)
  known[chain] = known[chain] or free_us_of_chain(chain, now)
  if known[chain] <= now + SOON_US then return true end
  local check_us = math.min(known[chain] - SOON_US, now + MAX_BLOCKED_US)
  redis.call('ZREM', rotation_key, id)
  redis.call('ZADD', key_of_sender('blocked'), math.floor(check_us / 1000), id)
  return false
end
