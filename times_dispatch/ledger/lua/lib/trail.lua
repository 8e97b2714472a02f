-- uses: keys
-- The trail of a sender: who changed what, and when. ledger/trail.py makes and reads its entries.

-- The trail keeps about this many entries, the newest.
local MAX_TRAIL = 10000

-- Append an entry to the sender's trail. `entry` is a JSON text of ledger/trail.py; empty if the change is not noted.
local function note_in_trail(entry)
  if entry == '' then return end
  redis.call('XADD', key_of_sender('trail'), 'MAXLEN', '~', MAX_TRAIL, '*', 'entry', entry)
end

-- Append an entry about a brake of a campaign by the program itself; `reason` and `detail` are those of the brake.
local function note_brake(id, reason, detail)
  note_in_trail(cjson.encode({
    actor = 'times-dispatch', action = 'braked', campaign = id, detail = reason, reason_detail = detail or '',
  }))
end
