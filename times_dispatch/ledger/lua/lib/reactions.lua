-- uses: keys records states retries
-- Reactions are clicks, replies and opt-outs. A reaction counts once, however often it is reported. Two opt-outs of a
-- person count as one opt-out. A list of reactions has tables by name, see apply_reports.lua; `count` is the number of
-- messages of the batch.

-- How many visits of tracked links share a field of the campaign's visits.
local VISITS_IN_BLOCK = 1024
-- The kinds of reactions that people make; all other kinds come from programs.
local IS_OF_PERSON = {clicked = true, replied = true, opted_out = true}

-- Return the field `sent` of the record of a message.
local function sent_of_message(messages_key, count, index)
  local first = record_range(count, index) + SENT_OFFSET
  return struct.unpack('>I5', redis.call('GETRANGE', messages_key, first, first + 4))
end

-- Return the attempt to which a visit of a tracked link probably belongs: the last attempt that was pushed. The link
-- names no attempt, so a visit proves no attempt of a message that was pushed several times.
local function attempt_of_visit(state, recorded_attempt)
  return state == PENDING and math.max(recorded_attempt - 1, 0) or recorded_attempt
end

-- Return whether a visit of a tracked link was not counted before, and note that it is counted now. The visits of one
-- links process are numbered, so that a visit takes one bit. `visit` is the id of the process, a hyphen and a number.
local function is_new_visit(campaign_key, visit)
  local process, number = string.match(visit, '^(%x+)-(%d+)$')
  number = tonumber(number)
  local block = math.floor(number / VISITS_IN_BLOCK)
  local field = process .. ':' .. block
  local bit_at = number - block * VISITS_IN_BLOCK
  local byte_at, mask = math.floor(bit_at / 8) + 1, bit.lshift(1, bit_at % 8)
  local visits_key = key_of_visits(campaign_key)
  local bits = redis.call('HGET', visits_key, field) or ''
  if #bits < byte_at then bits = bits .. string.rep('\0', byte_at - #bits) end
  local old = string.byte(bits, byte_at)
  if bit.band(old, mask) ~= 0 then return false end
  local changed = string.sub(bits, 1, byte_at - 1) .. string.char(bit.bor(old, mask)) .. string.sub(bits, byte_at + 1)
  redis.call('HSET', visits_key, field, changed)
  return true
end

local function is_new_reaction(campaign_key, reaction)
  if reaction.visit ~= '' then return is_new_visit(campaign_key, reaction.visit) end
  return redis.call('SADD', key_of_reactions(campaign_key, reaction.kind), reaction.digest) == 1
end

-- Count reactions to messages of the batch, after the records were written, and note which messages they are about. In
-- the statistics a reaction counts with its message. A message that is clicked several times counts once among
-- `clickers`, and a message to which several opt-outs came counts once among `opted_out`. A bit of the message notes
-- the opt-out, so an opt-out needs no digest.
local function count_reactions(campaign_key, messages_key, reactions, count, counts, statistics)
  for _, reaction in ipairs(reactions) do
    local index, kind, link = tonumber(reaction.index), reaction.kind, tonumber(reaction.link)
    if index < count and (kind == 'opted_out' or is_new_reaction(campaign_key, reaction)) then
      local is_first = false
      if IS_OF_PERSON[kind] then
        local key = key_of_reacted_messages(campaign_key, kind)
        is_first = redis.call('SETBIT', key, statistics.index_in_campaign(index), 1) == 0
        -- An earlier version noted a counted opt-out by its digest, and not by a bit.
        if is_first and kind == 'opted_out' then
          is_first = redis.call('SISMEMBER', key_of_reactions(campaign_key, kind), reaction.digest) == 0
        end
      end
      if is_first or kind ~= 'opted_out' then
        local sent = sent_of_message(messages_key, count, index)
        counts.add('stat:' .. kind, 1)
        statistics.add(kind, 1, sent)
        if is_first and kind == 'clicked' then statistics.add('clickers', 1, sent) end
        if kind == 'clicked' then
          if link > 0 then statistics.add('link:' .. link, 1, sent) end
          if link <= MAX_LINKS then
            redis.call('SETBIT', key_of_link_clickers(campaign_key, link), statistics.index_in_campaign(index), 1)
          end
        end
      end
    end
  end
end

-- Note to which messages somebody reacted: these messages get no second try.
local function forbid_after_reactions(campaign_key, reactions, count, statistics)
  for _, reaction in ipairs(reactions) do
    local index = tonumber(reaction.index)
    if IS_OF_PERSON[reaction.kind] and index < count then
      forbid_second_tries(campaign_key, statistics.index_in_campaign(index))
    end
  end
end
