-- KEYS: gate, testimonies. ARGV: 4 epoch, 5 process, 6 databases.
local found = call('HMGET', KEYS[1], 'i', 'e')
if found[1] == inc and found[2] == ARGV[4] then
  for at = 1, #ARGV[6], 16 do
    local space = sub(ARGV[6], at, at + 15)
    -- Where the gate is open, nobody asks for testimonies any more.
    if not opening(call('HGET', KEYS[1], 's' .. space)) then call('SADD', KEYS[2], ARGV[5] .. space) end
  end
end
return { echo, 1 }
