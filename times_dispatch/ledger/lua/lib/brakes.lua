-- uses: names
-- The automatic brake of a campaign: the campaign stops when too many of the last pushes were rejected, or too many of
-- the last reports say failed. `which` is push or report.

-- Return the key of the string with one byte for each of the last pushes or reports: 1 for a rejected push or a failed
-- report, else 0. The oldest byte is overwritten.
local function key_of_recent(campaign_key, which)
  return campaign_key .. ':recent_' .. which
end

-- Keep the flags (1 for bad, 0 for good) of a group of pushes or reports, and say whether the share of bad ones among
-- the last N is above the share that the campaign allows; its field brake_push_last or brake_report_last is N. The
-- result is false until N flags were seen: three rejections at the start of a campaign prove nothing.
local function too_many_bad(campaign_key, which, bad_flags)
  local seen_field, bad_field = which .. '_seen', which .. '_bad'
  local last_field, share_field = 'brake_' .. which .. '_last', 'brake_' .. which .. '_share'
  local campaign = read_fields(campaign_key, last_field, share_field, seen_field, bad_field)
  local last, share = tonumber(campaign[last_field] or '0'), tonumber(campaign[share_field] or '0')
  if last == 0 or bad_flags == '' then return false end
  if #bad_flags > last then bad_flags = string.sub(bad_flags, -last) end
  local recent_key = key_of_recent(campaign_key, which)
  local seen, bad = tonumber(campaign[seen_field] or '0'), tonumber(campaign[bad_field] or '0')
  -- While all pushes or reports were good, the string holds no 1, so no byte has to be overwritten.
  if bad == 0 and not string.find(bad_flags, '1', 1, true) then
    redis.call('HSET', campaign_key, seen_field, seen + #bad_flags)
    return false
  end

  local function count_bad(bytes)
    return select(2, string.gsub(bytes, '1', ''))
  end

  local function overwrite(offset, bytes)
    local old = redis.call('GETRANGE', recent_key, offset, offset + #bytes - 1)
    bad = bad + count_bad(bytes) - count_bad(old)
    redis.call('SETRANGE', recent_key, offset, bytes)
  end

  local offset = seen % last
  local room = math.min(#bad_flags, last - offset)
  overwrite(offset, string.sub(bad_flags, 1, room))
  if room < #bad_flags then overwrite(0, string.sub(bad_flags, room + 1)) end
  seen = seen + #bad_flags
  redis.call('HSET', campaign_key, seen_field, seen, bad_field, bad)
  return seen >= last and bad > share * last
end

-- Forget the last pushes and reports, after a resume.
local function reset_brakes(campaign_key)
  redis.call('DEL', key_of_recent(campaign_key, 'push'), key_of_recent(campaign_key, 'report'))
  redis.call('HDEL', campaign_key, 'push_seen', 'push_bad', 'report_seen', 'report_bad')
end
