-- KEYS: gate, testimonies. ARGV: 4 and 5 an epoch and a nonce, 6 the database, or empty for all.
ensure(ARGV[4], ARGV[5])
call('HSET', KEYS[1], 'e', ARGV[4])
if ARGV[6] ~= '' then
  call('HDEL', KEYS[1], 's' .. ARGV[6])
else
  for _, field in ipairs(call('HKEYS', KEYS[1])) do
    if byte(field) == 115 then call('HDEL', KEYS[1], field) end
  end
end
call('DEL', KEYS[2])
return { echo, 1 }
