-- uses: records
-- A span is a run of neighbouring messages of a batch. The messages of a span are read together and written together,
-- with the unchanged messages between them: two commands read and two commands write dozens of messages, instead of
-- four commands for each message.
local MAX_GAP = 8

-- Return where the span ends that begins with the packed item at `item_at` (a position in `packed`). Each item has
-- `width` bytes and begins with the index of a message (u16). The span continues while each index is greater than the
-- index before it, by at least `min_step` and at most MAX_GAP. Returns the position of the span's last item, and the
-- index in that item: two values and no table, because this runs for each span of a group of results or reports.
local function end_of_span(packed, width, item_at, min_step)
  local byte = string.byte
  local high, low = byte(packed, item_at, item_at + 1)
  local last = high * 256 + low
  while item_at + width <= #packed do
    high, low = byte(packed, item_at + width, item_at + width + 1)
    local following = high * 256 + low
    if following < last + min_step or following > last + MAX_GAP then break end
    item_at, last = item_at + width, following
  end
  return item_at, last
end

-- Read the messages from index `first` to index `last`. Returns a table of three functions:
--   get(index)              returns the message's state and the six fields of its record, with the changes by `put`
--   put(index, state, ...)  changes state and record; the fields are in the order of RECORD
--   write()                 writes all changes, if there are any
-- `get` and `put` return and take plain values in the order of RECORD: a table for each message would be slower.
local function read_span(messages_key, count, first, last)
  local states = redis.call('GETRANGE', messages_key, first, last)
  local start = record_range(count, first)
  local records = redis.call('GETRANGE', messages_key, start, start + (last - first + 1) * WIDTH - 1)
  local new_states, new_records, changed = {}, {}, false
  local sub, pack_record, unpack_record = string.sub, struct.pack, struct.unpack
  return {
    get = function(index)
      local offset = index - first
      local record, record_at = new_records[offset], 1
      if not record then record, record_at = records, offset * WIDTH + 1 end
      return new_states[offset] or sub(states, offset + 1, offset + 1), unpack_record(RECORD, record, record_at)
    end,
    put = function(index, state, ...)
      local offset = index - first
      new_states[offset], new_records[offset], changed = state, pack_record(RECORD, ...), true
    end,
    write = function()
      if not changed then return end
      local all_states, all_records = {}, {}
      for offset = 0, last - first do
        all_states[offset + 1] = new_states[offset] or sub(states, offset + 1, offset + 1)
        all_records[offset + 1] = new_records[offset] or sub(records, offset * WIDTH + 1, (offset + 1) * WIDTH)
      end
      redis.call('SETRANGE', messages_key, first, table.concat(all_states))
      redis.call('SETRANGE', messages_key, start, table.concat(all_records))
    end,
  }
end
