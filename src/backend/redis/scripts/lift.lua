-- KEYS: gate, writers, cells. ARGV: 4 writer, 5 'r' for new tokens or 'k' to keep the old, 6 time to live
-- of a token.
local writer = ARGV[4]
local record = call('HMGET', KEYS[2], 'h' .. writer, 't' .. writer)
local keys, seen = {}, {}
local function add(key)
  if not seen[key] then
    seen[key] = true
    keys[#keys + 1] = key
  end
end
for i = 3, #KEYS do add(KEYS[i]) end
local held = record[2] or ''
for at = 1, #held, 16 do add(P .. 'c' .. sub(held, at, at + 15)) end
local cells = #keys > 0 and mget(keys, 1, #keys) or {}
for i, key in ipairs(keys) do
  local cell = cells[i]
  local at = quarantined(cell) and position(cell, writer)
  if not at then
    renew(key, cell)
  else
    cell = sub(cell, 1, at - 1) .. sub(cell, at + 16)
    if ARGV[5] == 'r' then cell = dirty(cell) end
    if #cell >= WRITERS then
      call('SET', key, cell)
    elseif byte(cell, 2) == 48 and byte(cell, 3) == 49 then
      call('SET', key, 'c' .. sub(cell, 4, 19), 'PX', ARGV[6])
    else
      call('DEL', key)
    end
  end
end
if record[1] then call('SREM', P .. 'm' .. sub(record[1], 1, 8), writer) end
call('HDEL', KEYS[2], 'h' .. writer, 't' .. writer)
return { echo, 1 }
