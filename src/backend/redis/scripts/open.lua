-- KEYS: gate, testimonies. ARGV: 4 epoch, 5 database, 6 the opening.
local found = call('HMGET', KEYS[1], 'i', 'e')
if found[1] == inc and found[2] == ARGV[4] and not opening(call('HGET', KEYS[1], 's' .. ARGV[5])) then
  call('HSET', KEYS[1], 's' .. ARGV[5], ARGV[6])
  for _, member in ipairs(call('SMEMBERS', KEYS[2])) do
    if sub(member, 9) == ARGV[5] then call('SREM', KEYS[2], member) end
  end
end
return { echo, 1 }
