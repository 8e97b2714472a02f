-- luacheck times_dispatch/ledger/lua: the ledger's scripts, for the Lua 5.1 inside of Redis.
std = "lua51"
max_line_length = 120
globals = {}
read_globals = {"redis", "struct", "cjson", "cmsgpack", "bit", "KEYS", "ARGV", "arguments"}

-- A script is put together from the libs that its first line names (times_dispatch/ledger/scripts.py), so a lib's definitions are
-- known in every script and lib. A test looks whether each file names the libs that it uses, and whether each definition is used.
local folder = "times_dispatch/ledger/lua/lib/"
local libs = {
  "archive", "attempts", "brakes", "budget", "campaigns", "clock", "counters", "damage", "delivery_times",
  "forwarding", "frequency", "keys", "leases", "memory", "names", "paces", "pacing", "provider_choice", "providers",
  "reactions", "records", "retries", "rollups", "rotation", "send_window", "spans", "states", "statistics",
  "suppression", "trail",
}
for _, lib in ipairs(libs) do
  for line in io.lines(folder .. lib .. ".lua") do
    local name = line:match("^local function ([%w_]+)") or line:match("^local ([%w_]+) =")
    if name then table.insert(read_globals, name) end
  end
end
files["times_dispatch/ledger/lua/lib"] = {ignore = {"211", "431"}}
