-- KEYS: gate, entry, lease, cells, sets of what is removed with a tag. ARGV: 4 the entry, 5 its end,
-- 6 now, 7 time to live of a token, 8 holder, 9 '1' to store only if no valid one is there,
-- 10 largest entry.
local e, ends, now, holder = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[8]
if holder ~= '' and call('GET', KEYS[3]) == holder then call('DEL', KEYS[3]) end
local p, nonce = parse(e), gate('-')
if not p or not nonce or p.nonce ~= nonce then return { echo, 'o' } end
local keys = cells_of(p)
local cells = p.n > 0 and mget(keys, 1, p.n) or {}
for i = 1, p.n do
  if cells[i] ~= 'c' .. sub(p.tokens, 16 * i - 15, 16 * i) then return { echo, 'o' } end
end
if ARGV[9] == '1' and valid(parse(read(KEYS[2], tonumber(ARGV[10]))), nonce, now) then
  return { echo, 'p' }
end
local ms = math.max(ends - now, 1)
call('SET', KEYS[2], e, 'PX', ms)
prolong(keys, math.max(ms, tonumber(ARGV[7])))
follow(p, sub(KEYS[2], #P + 2), now, ends)
return { echo, 's' }
