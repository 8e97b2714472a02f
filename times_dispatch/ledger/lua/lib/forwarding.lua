-- uses: keys
-- The queue of copies of reports that wait to be forwarded. The hash tag is {reports}.
local forward_totals_key = HASH_TAG .. ':forward:totals'

-- Return the key of a lane.
local function key_of_lane(lane) return HASH_TAG .. ':forward:' .. lane end

-- Return how many bytes of memory a copy takes in its sorted set: Redis rounds the member up by at most a quarter, and
-- adds about 80 bytes. MEMORY USAGE would measure only the oldest copies, and newer copies may be much longer.
local function memory_of_copy(member) return math.ceil(1.25 * #member) + 80 end

-- Return how many copies wait, and how many bytes they take. A queue in which an earlier version put copies has no
-- count of bytes until the next copy is added: until then the bytes are estimated from the oldest copies.
local function waiting_copies(lanes)
  local copies, estimate = 0, 0
  local bytes = redis.call('HGET', forward_totals_key, 'bytes')
  for lane = 0, lanes - 1 do
    copies = copies + redis.call('ZCARD', key_of_lane(lane))
    if not bytes then
      estimate = estimate + (redis.call('MEMORY', 'USAGE', key_of_lane(lane)) or 0)
    end
  end
  return copies, copies == 0 and 0 or math.max(0, tonumber(bytes) or estimate)
end
