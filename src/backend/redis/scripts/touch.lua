-- KEYS: gate, entry. ARGV: 4 the field, 5 the new end, 6 now, 7 largest entry, 8 time to live of a token.
local now = tonumber(ARGV[6])
local p = parse(read(KEYS[2], tonumber(ARGV[7])))
if not valid(p, gate('-'), now) then return { echo, 0 } end
call('SETRANGE', KEYS[2], 4, ARGV[4])
local ends = math.max(math.min(tonumber(ARGV[5]), p.limit), p.stale)
local ms = math.max(ends - now, 1)
call('PEXPIRE', KEYS[2], ms)
prolong(cells_of(p), math.max(ms, tonumber(ARGV[8])))
follow(p, sub(KEYS[2], #P + 2), now, ends)
return { echo, 1 }
