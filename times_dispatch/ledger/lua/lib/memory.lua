-- uses: keys
-- Redis refuses memory only to a script's first write, and only if that write may need memory. So a script that may
-- need memory asks for it before it does anything: then a full Redis refuses the script whole, and no half of its work
-- is done. A script that only frees or shortens does not ask, and runs also when Redis is full.

-- Raise Redis' OOM error if Redis is full. Writes nothing once the sender's pace is there.
local function ask_for_memory()
  redis.call('HSETNX', key_of_sender('pace'), 'fence', 0)
end
