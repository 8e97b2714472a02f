-- uses: names keys clock memory
--
-- Note that a process lives, and forget the processes that have not been seen for long. This runs also when Redis is
-- full: people must see then which processes live. What it writes is bounded by the number of processes.
--
-- Arguments
--   kind     the kind of the process
--   process  the kind, the host and the id of the process: "worker:web1:71"
--   record   what the process tells about itself, see ledger/heartbeats.py
--   host_ms  the time by the clock of the process' host
--   keep_ms  how long the process is kept after its last heartbeat
-- Reply: seen_ms, the time of the heartbeat.
-- Keys: the hash of the process, and the processes and kinds by the time of their last heartbeat.
-- Atomic: all writes.
-- Cost: O(log(processes)).
local args = arguments({'kind', 'process', 'record', 'host_ms', 'keep_ms'})
local heartbeat_key = HASH_TAG .. ':p:' .. args.process
local processes_key = HASH_TAG .. ':seen'
local kinds_key = HASH_TAG .. ':kinds'
local now_ms = math.floor(now_us() / 1000)

run_without_memory()
redis.call('HSET', heartbeat_key, 'record', args.record, 'seen_ms', now_ms, 'ahead_ms', args.host_ms - now_ms)
redis.call('PEXPIRE', heartbeat_key, args.keep_ms)
redis.call('ZADD', processes_key, now_ms, args.process)
redis.call('ZREMRANGEBYSCORE', processes_key, '-inf', now_ms - args.keep_ms)
redis.call('HSET', kinds_key, args.kind, now_ms)
return reply({seen_ms = now_ms})
