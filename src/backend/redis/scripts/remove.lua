-- KEYS: gate, entry. ARGV: 4 now, 5 largest entry.
local found = valid(parse(read(KEYS[2], tonumber(ARGV[5]))), gate('-'), tonumber(ARGV[4]))
call('UNLINK', KEYS[2])
return { echo, found and 1 or 0 }
