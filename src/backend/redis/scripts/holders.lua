-- KEYS: gate, writers, cells. Answers writer, record and tags, of each; of all without cells.
local seen, answer = {}, { echo }
if #KEYS == 2 then
  local all, found = call('HGETALL', KEYS[2]), {}
  for i = 1, #all, 2 do found[all[i]] = all[i + 1] end
  for field, record in pairs(found) do
    local writer = sub(field, 2)
    if byte(field) == 104 and found['t' .. writer] then
      answer[#answer + 1] = writer
      answer[#answer + 1] = record
      answer[#answer + 1] = found['t' .. writer]
    end
  end
end
local cells = #KEYS > 2 and mget(KEYS, 3, #KEYS) or {}
for i = 1, #KEYS - 2 do
  local cell = cells[i]
  if quarantined(cell) then
    for at = WRITERS, #cell, 16 do
      local writer = sub(cell, at, at + 15)
      if not seen[writer] then
        seen[writer] = true
        local record = call('HMGET', KEYS[2], 'h' .. writer, 't' .. writer)
        if record[1] and record[2] then
          answer[#answer + 1] = writer
          answer[#answer + 1] = record[1]
          answer[#answer + 1] = record[2]
        end
      end
    end
  end
end
return answer
