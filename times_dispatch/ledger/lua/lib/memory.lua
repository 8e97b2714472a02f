-- uses: keys
-- Redis refuses memory only to a script's first write, and only if that write may need memory. So a script that may
-- need memory asks for memory before its first change: then a full Redis refuses the script before the script has
-- changed anything. A script that only frees, shortens, or writes in place runs also when Redis is full. (Redis 7 has a
-- flag for that, allow-oom; Redis 6.2 does not know flags.)

-- Raise Redis' OOM error if Redis is full. The function writes nothing if the sender's hash exists; otherwise it
-- creates the hash with the field `fence` (the last fencing token) set to 0.
local function fail_if_memory_is_full()
  redis.call('HSETNX', key_of_sender('sender'), 'fence', 0)
end

-- Let this script run also when Redis is full: its first write is a DEL, which Redis does not refuse, and after the
-- first write Redis refuses no other write. The deleted key does not exist, so nothing changes.
local function run_without_memory()
  redis.call('DEL', HASH_TAG)
end
