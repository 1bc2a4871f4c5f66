-- KEYS: gate, writers, the writers of the process, cells. ARGV: 4 writer, 5 its record, 6 and 7
-- an epoch and a nonce, if they are needed, 8 the database.
local writer, tags = ARGV[4], {}
local epoch = ensure(ARGV[6], ARGV[7])
local held, known = call('HGET', KEYS[2], 't' .. writer) or '', {}
for at = 1, #held, 16 do known[sub(held, at, at + 15)] = true end
local cells = #KEYS > 3 and mget(KEYS, 4, #KEYS) or {}
for i = 4, #KEYS do
  local key, tag = KEYS[i], sub(KEYS[i], #P + 2)
  local cell = cells[i - 3]
  if not known[tag] then
    known[tag] = true
    tags[#tags + 1] = tag
  end
  if not quarantined(cell) then
    local token = cell and #cell == 17 and byte(cell) == 99 and sub(cell, 2)
    cell = 'q0' .. (token and '1' .. token or '0' .. string.rep('\0', 16))
    call('SET', key, cell .. writer)
  elseif not position(cell, writer) then
    call('SET', key, cell .. writer)
  end
end
call('HSET', KEYS[2], 'h' .. writer, ARGV[5], 't' .. writer, held .. table.concat(tags))
call('SADD', KEYS[3], writer)
return { echo, epoch, ARGV[8] ~= '' and opening(call('HGET', KEYS[1], 's' .. ARGV[8])) }
