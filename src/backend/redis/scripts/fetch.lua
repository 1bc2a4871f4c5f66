-- KEYS: gate, cells of the tags, cells of what is wanted also, entry and lease. ARGV: 4 number of tags,
-- 5 number of those wanted also, 6 databases, 7 seed of tokens, 8 time to live of a token,
-- 9 largest entry, 10 holder, 11 patience, 12 now, 13 the check of an entry that the asker holds.
local n, seed, holder = tonumber(ARGV[4]), ARGV[7], ARGV[10]
local all = n + tonumber(ARGV[5])
local nonce, since = gate(ARGV[6])
local cells = all > 0 and mget(KEYS, 2, all + 1) or {}
local states, made, clean = {}, {}, true
local base = seed ~= '' and num(seed, 13, 4) or 0
for i = 1, all do
  local key, cell = KEYS[i + 1], cells[i] or nil
  cell = cell or made[key]
  if not cell and seed ~= '' then
    cell = 'c' .. sub(seed, 1, 12) .. struct.pack('>I4', (base + i) % 4294967296)
    call('SET', key, cell, 'PX', ARGV[8])
    made[key] = cell
  end
  states[i] = cell and state(cell) or 'm'
  -- What is wanted also has no say.
  clean = clean and (i > n or #states[i] == 17)
end
local entry = KEYS[all + 2] and read(KEYS[all + 2], tonumber(ARGV[9])) or false
-- An entry of another generation was forgotten.
if entry and nonce and sub(entry, 65, 80) ~= nonce then entry = false end
-- The entry, if its tags begin with those that are asked for.
local p = nonce and parse(entry)
if p and p.n < n then p = nil end
for i = 1, n do
  if p and sub(p.tags, 16 * i - 15, 16 * i) ~= sub(KEYS[i + 1], #P + 2) then p = nil end
end
-- How its further tags stand: none, current, quarantined or outdated.
local further = 'n'
if p and p.n > n then
  further = 'c'
  local rest = mget(cells_of(p, n), 1, p.n - n)
  for i = n + 1, p.n do
    local cell = rest[i - n]
    if cell and state(cell) == 'q' then
      further = 'q'
      break
    end
    if cell ~= 'c' .. sub(p.tokens, 16 * i - 15, 16 * i) then further = 'o' end
  end
end
local leased = 'n'
if holder ~= '' and nonce and clean and KEYS[all + 3] then
  local same = p
  for i = 1, n do
    same = same and sub(p.tokens, 16 * i - 15, 16 * i) == sub(states[i], 2)
  end
  if same and further == 'q' then
    -- Nothing could be stored.
    leased = 'n'
  elseif same and further ~= 'o' and p.expires > tonumber(ARGV[12]) then
    leased = 'v'
  else
    local other = call('GET', KEYS[all + 3])
    if not other or other == holder then
      call('SET', KEYS[all + 3], holder, 'PX', ARGV[11])
      leased = 'g'
    else
      leased = 't'
    end
  end
end
-- Of an entry that the asker holds, only what may have changed.
local same = 'n'
if entry and #ARGV[13] == 16 and #entry >= HEAD and sub(entry, 113, 128) == ARGV[13] then
  entry, same = sub(entry, 5, 20), 's'
end
return { echo, nonce, since, entry, table.concat(states), leased, further, same }
