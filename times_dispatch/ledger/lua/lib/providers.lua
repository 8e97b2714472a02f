-- uses: names keys
-- What holds a sender back at one provider. The provider is braked until a person resumes the sender, or the sender
-- backs off from it: nothing goes until hold_until_us, then one message at a time (a probe) until the provider accepts
-- one. A campaign's chain is its providers by priority, joined by blanks.

-- A provider that can take something within this time counts as one that can take something now.
local SOON_US = 1000000
-- A campaign that none of its providers can take is looked at again after this time at the latest.
local MAX_BLOCKED_US = 60000000

-- Return the names of the fields of the sender's pace for one provider.
local function provider_fields(provider)
  return 'brake@' .. provider, 'hold_until_us@' .. provider, 'hold_count@' .. provider, 'probe_us@' .. provider
end

-- No hold is longer: the longest is what a provider asks for (MAX_RETRY_AFTER_S in provider/description/responses.py).
-- No probe keeps the next one waiting for longer.
local MAX_HOLD_US = 900000000
local PROBE_INTERVAL_US = 1000000

-- Return when a wait ends, in microseconds; 0 if it is longer than the longest. Such a wait was written before Redis'
-- clock was set back, and is over.
local function end_of_wait(until_us, max_wait_us, now)
  until_us = tonumber(until_us or '0')
  return until_us <= now + max_wait_us and until_us or 0
end

-- Read from these fields how a provider stands: whether it is braked, whether the sender backs off from it, and when a
-- message may go through it (microseconds, epoch; 0 is at once).
local function provider_state(pace, provider, now)
  local brake, hold_until_us, hold_count, probe_us = provider_fields(provider)
  local is_braked = pace[brake] and pace[brake] ~= ''
  local backs_off = tonumber(pace[hold_count] or '0') > 0
  local held_us = end_of_wait(pace[hold_until_us], MAX_HOLD_US, now)
  local probed_us = end_of_wait(pace[probe_us], PROBE_INTERVAL_US, now)
  local free_us = backs_off and math.max(held_us, probed_us) or 0
  return is_braked, backs_off, free_us
end

-- Return when the first provider of a chain can take something (microseconds, epoch); math.huge if all are braked.
local function free_us_of_chain(chain, now)
  local soonest_us = math.huge
  for provider in string.gmatch(chain, '%S+') do
    local brake, hold_until_us = provider_fields(provider)
    local pace = read_fields(key_of_sender('pace'), brake, hold_until_us)
    if not pace[brake] or pace[brake] == '' then
      soonest_us = math.min(soonest_us, end_of_wait(pace[hold_until_us], MAX_HOLD_US, now))
    end
  end
  return soonest_us
end

-- Say whether some provider of a campaign's chain can take something now, or soon. If none can, the campaign leaves its
-- rotation until that may have changed: the back-off of a provider ends, or a person resumes the sender. `known` keeps
-- the answers by chain, so that a script asks once for each chain.
local function can_take_or_block(id, rotation_key, chain, now, known)
  known[chain] = known[chain] or free_us_of_chain(chain, now)
  if known[chain] <= now + SOON_US then return true end
  local look_us = math.min(known[chain] - SOON_US, now + MAX_BLOCKED_US)
  redis.call('ZREM', rotation_key, id)
  redis.call('ZADD', key_of_sender('blocked'), math.floor(look_us / 1000), id)
  return false
end
