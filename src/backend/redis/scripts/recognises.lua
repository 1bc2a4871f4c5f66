-- KEYS: gate. ARGV: 4 and 5 an epoch and a nonce, if they are needed, 6 who looked at which
-- database, 7 what was seen, 8 whether it replaces what was remembered.
ensure(ARGV[4], ARGV[5])
local field = 'f' .. ARGV[6]
local before = call('HGET', KEYS[1], field)
if not before or ARGV[8] == '1' then call('HSET', KEYS[1], field, ARGV[7]) end
return { echo, (not before or before == ARGV[7]) and 1 or 0 }
