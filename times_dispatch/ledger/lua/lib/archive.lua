-- uses: keys
-- The archive: campaigns whose messages left Redis.

-- Return the codes of messages, as in the field `archive_codes` of a campaign, from the amounts of statistics by field.
local function codes_among(amounts)
  local codes = {}
  for field, amount in pairs(amounts) do
    if amount > 0 and string.find(field, '^%a:%d+$') then codes[#codes + 1] = field end
  end
  table.sort(codes)
  return table.concat(codes, ' ')
end

-- Return a digest of all counters of a campaign: of the campaign's hash without the fields of the archive, of its codes
-- and of its statistics. Every change of a message, and every click or reply, changes a counter too.
local function digest_of_counters(campaign_key)
  local pieces = {}
  for _, key in ipairs({campaign_key, key_of_codes(campaign_key), key_of_statistics(campaign_key)}) do
    local flat, fields, is_name, name = redis.call('HGETALL', key), {}, true, nil
    for _, value in ipairs(flat) do
      if is_name then
        name = value
      elseif string.sub(name, 1, 7) ~= 'archive' then
        fields[#fields + 1] = name .. '=' .. value
      end
      is_name = not is_name
    end
    table.sort(fields)
    pieces[#pieces + 1] = table.concat(fields, '\n')
  end
  return redis.sha1hex(table.concat(pieces, '\n\n'))
end
