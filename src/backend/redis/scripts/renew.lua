-- KEYS: gate, cells.
local cells = #KEYS > 1 and mget(KEYS, 2, #KEYS) or {}
for i = 2, #KEYS do renew(KEYS[i], cells[i - 1]) end
return { echo, 1 }
