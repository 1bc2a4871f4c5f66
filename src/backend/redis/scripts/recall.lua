-- KEYS: gate, entry. ARGV: 4 largest entry, 5 databases, 6 the check of an entry that the asker holds.
local entry = read(KEYS[2], tonumber(ARGV[4]))
local p = parse(entry)
-- An entry of another generation was forgotten.
if p and p.nonce ~= gate('-') then p = nil end
local nonce = gate(p and p.n > 0 and ARGV[5] or '-')
if not p then return { echo, nonce, false, false, '', 'n', 'n', 'n' } end
local states, cells = {}, p.n > 0 and mget(cells_of(p), 1, p.n) or {}
for i = 1, p.n do states[i] = cells[i] and state(cells[i]) or 'm' end
local same = 'n'
if #ARGV[6] == 16 and sub(entry, 113, 128) == ARGV[6] then
  entry, same = sub(entry, 5, 20), 's'
end
return { echo, nonce, false, entry, table.concat(states), 'n', 'n', same }
