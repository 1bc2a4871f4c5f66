-- KEYS: gate, cells, entry and lease. ARGV: 4 number of cells, 5 databases, 6 seed of tokens,
-- 7 time to live of a token, 8 largest entry, 9 holder, 10 patience, 11 now.
local n, seed, holder = tonumber(ARGV[4]), ARGV[6], ARGV[9]
local nonce, since = gate(ARGV[5])
local cells = n > 0 and mget(KEYS, 2, n + 1) or {}
local states, made, clean = {}, {}, true
local base = seed ~= '' and num(seed, 13, 4) or 0
for i = 1, n do
  local key, cell = KEYS[i + 1], cells[i] or nil
  cell = cell or made[key]
  if not cell and seed ~= '' then
    cell = 'c' .. sub(seed, 1, 12) .. struct.pack('>I4', (base + i) % 4294967296)
    call('SET', key, cell, 'PX', ARGV[7])
    made[key] = cell
  end
  states[i] = cell and state(cell) or 'm'
  clean = clean and #states[i] == 17
end
local entry = KEYS[n + 2] and read(KEYS[n + 2], tonumber(ARGV[8])) or false
-- An entry of another generation was forgotten.
if entry and nonce and sub(entry, 65, 80) ~= nonce then entry = false end
local leased = 'n'
if holder ~= '' and nonce and clean and KEYS[n + 3] then
  local p, hit = parse(entry), false
  if p and p.nonce == nonce and p.n == n and p.expires > tonumber(ARGV[11]) then
    hit = true
    for i = 1, n do
      local at = 16 * i - 15
      hit = hit and sub(p.tags, at, at + 15) == sub(KEYS[i + 1], #P + 2)
        and sub(p.tokens, at, at + 15) == sub(states[i], 2)
    end
  end
  if hit then
    leased = 'v'
  else
    local other = call('GET', KEYS[n + 3])
    if not other or other == holder then
      call('SET', KEYS[n + 3], holder, 'PX', ARGV[10])
      leased = 'g'
    else
      leased = 't'
    end
  end
end
return { echo, nonce, since, entry, table.concat(states), leased }
