-- uses: names keys states
-- Second tries: a message whose delivery report says failed, with a code of the campaign's rule ([retry_failed] of the
-- campaign file), is sent again after a while. Until then the message stays failed. A bit of the campaign's bitmap
-- `retries`, by the index of the message in the campaign, says that the message waits for its second try, and the
-- campaign's field `retries_waiting` counts these bits. So a campaign without a rule has no extra cost, and the end of
-- a campaign ends all waits in one step. When the second try is due, settle_overdue.lua makes the message pending, with
-- the next attempt. The record keeps the code and the time of the failed report until the next attempt has a result of
-- its own. If a message is in a state without a report, and its record has a time of a report (reported_s), then an
-- earlier attempt failed. If the next attempt is not sent after all, such a message becomes failed again.

-- A second try is due up to this much later than the rule says, so that many messages of a batch are due at once.
local MAX_STEP_MS = 60000

-- Return the rule of a campaign as a table, nil if it has none; `codes` is the campaign's field retry_codes.
--   codes     the codes of failed reports that lead to a second try, as a set
--   after_ms  a list: how long after the failed report each second try is made
--   at_most   how many second tries a message gets
--   until_ms, state   these fields of the campaign
local function retry_rule(campaign_key, codes)
  if not codes then return nil end
  local campaign = read_fields(campaign_key, 'retry_after_s', 'retry_at_most', 'until_ms', 'state')
  local rule = {
    codes = {}, after_ms = {}, at_most = tonumber(campaign.retry_at_most), until_ms = tonumber(campaign.until_ms),
    state = campaign.state,
  }
  for code in string.gmatch(codes, '%d+') do rule.codes[tonumber(code)] = true end
  for seconds in string.gmatch(campaign.retry_after_s, '%d+') do
    rule.after_ms[#rule.after_ms + 1] = tonumber(seconds) * 1000
  end
  return rule
end

-- Return when the next second try of a failed message is due (epoch, milliseconds).
--   sent_ms     when the failed attempt was sent (epoch, milliseconds)
--   reported_s  the time in its report (epoch, seconds); a time before the sending or in the future does not count
--   tries       how many second tries the message had
local function second_try_due_ms(rule, sent_ms, reported_s, tries, now_ms)
  local failed_ms = reported_s * 1000
  if failed_ms < sent_ms or failed_ms > now_ms then failed_ms = sent_ms end
  local after_ms = rule.after_ms[math.min(tries + 1, #rule.after_ms)]
  local step_ms = math.min(MAX_STEP_MS, after_ms / 10)
  return math.ceil((failed_ms + after_ms) / step_ms) * step_ms
end

-- Say whether a failed message waits for its second try; `index` counts in the campaign.
local function waits_for_second_try(campaign_key, index)
  return redis.call('GETBIT', key_of_retries(campaign_key), index) == 1
end

-- Let a message wait for its second try.
local function wait_for_second_try(campaign_key, index)
  if redis.call('SETBIT', key_of_retries(campaign_key), index, 1) == 0 then
    redis.call('HINCRBY', campaign_key, 'retries_waiting', 1)
  end
end

-- End the wait of a message, if it waits.
local function end_wait_for_second_try(campaign_key, index)
  if not waits_for_second_try(campaign_key, index) then return end
  redis.call('SETBIT', key_of_retries(campaign_key), index, 0)
  redis.call('HINCRBY', campaign_key, 'retries_waiting', -1)
end

-- Say whether a message gets no second try, because somebody reacted to it or its number is forgotten.
local function gets_no_second_try(campaign_key, index)
  return redis.call('GETBIT', key_of_no_second_try(campaign_key), index) == 1
end

-- Exclude a message from second tries for good, because somebody reacted to it, or its number is forgotten.
local function forbid_second_tries(campaign_key, index)
  redis.call('SETBIT', key_of_no_second_try(campaign_key), index, 1)
  end_wait_for_second_try(campaign_key, index)
end

-- Count that a failed message is pending again, with its next attempt. The caller changes state and record.
--   counts, codes, statistics  the objects in which the script collects changes
--   index                      the message in its batch
--   fields                     the fields of its record: attempt, code, sent, reported_s
local function count_second_try(campaign_key, counts, codes, statistics, index, fields)
  counts.move(FAILED, PENDING)
  codes.add('report:' .. fields.code, -1)
  statistics.change(index, FAILED, fields.code, fields.sent, fields.reported_s, PENDING, 0, fields.sent, 0)
  statistics.tried_again(index, fields.attempt, fields.sent)
  end_wait_for_second_try(campaign_key, statistics.index_in_campaign(index))
  redis.call('HSET', campaign_key, 'resent', 1)
end

-- End the waits of all messages of a campaign: the messages stay failed.
local function end_waits_for_second_tries(campaign_key)
  redis.call('DEL', key_of_retries(campaign_key))
  redis.call('HDEL', campaign_key, 'retries_waiting')
end
