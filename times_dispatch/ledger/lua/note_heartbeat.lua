-- uses: names keys clock memory
--
-- Note that a process runs, forget the processes without a recent heartbeat, and raise the schema of the ledger
-- (ledger/schema.py). A process that cannot read the ledger is not noted. The script runs also when Redis is full,
-- because people must see then which processes run. The number of processes bounds the data that the script writes.
--
-- Arguments
--   kind     the kind of the process
--   process  the kind, the host and the id of the process: "worker:web1:71"
--   record   what the process reports about itself, see ledger/monitoring/heartbeats.py
--   host_ms  the time by the clock of the process' host
--   keep_ms  how long the process is kept after its last heartbeat
--   major, minor  the schema of the ledger that the process writes
--   version  the version of the process' program
--   raises   1 if the process raises the ledger's schema to its own, else 0
-- Reply
--   seen_ms        the time of the heartbeat
--   newer          1 if the ledger has a newer schema than the process can read, else 0
--   major, version the schema of the ledger, and the version of the program that raised it; only if it is newer
-- Keys: the hash of the process, the processes and kinds by the time of their last heartbeat, and the schema.
-- Atomic: all writes.
-- Cost: O(log(processes)).
local args = arguments({'kind', 'process', 'record', 'host_ms', 'keep_ms', 'major', 'minor', 'version', 'raises'})
local heartbeat_key = HASH_TAG .. ':p:' .. args.process
local processes_key = HASH_TAG .. ':seen'
local kinds_key = HASH_TAG .. ':kinds'
local schema_key = HASH_TAG .. ':schema'
local now_ms = math.floor(now_us() / 1000)
local major, minor = tonumber(args.major), tonumber(args.minor)

run_without_memory()
local schema = read_fields(schema_key, 'major', 'minor', 'version')
local known_major, known_minor = tonumber(schema.major or '0'), tonumber(schema.minor or '0')
if known_major > major then
  return reply({seen_ms = now_ms, newer = 1, major = known_major, version = schema.version or ''})
end
if args.raises == '1' and (known_major < major or known_minor < minor) then
  redis.call('HSET', schema_key, 'major', major, 'minor', minor, 'version', args.version)
end
redis.call('HSET', heartbeat_key, 'record', args.record, 'seen_ms', now_ms, 'ahead_ms', args.host_ms - now_ms)
redis.call('PEXPIRE', heartbeat_key, args.keep_ms)
redis.call('ZADD', processes_key, now_ms, args.process)
redis.call('ZREMRANGEBYSCORE', processes_key, '-inf', now_ms - args.keep_ms)
redis.call('HSET', kinds_key, args.kind, now_ms)
return reply({seen_ms = now_ms, newer = 0})
