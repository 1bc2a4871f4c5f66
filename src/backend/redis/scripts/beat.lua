-- KEYS: gate, testimonies, the writers of the process. ARGV: 4 and 5 an epoch and a nonce, if they
-- are needed, 6 the databases.
local epoch = ensure(ARGV[4], ARGV[5])
for at = 1, #ARGV[6], 16 do call('HSETNX', KEYS[1], 's' .. sub(ARGV[6], at, at + 15), '0') end
local open, all = {}, call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if byte(all[i]) == 115 and opening(all[i + 1]) then
    open[#open + 1] = sub(all[i], 2) .. all[i + 1]
  end
end
return {
  echo, epoch, table.concat(open),
  table.concat(call('SMEMBERS', KEYS[2])), table.concat(call('SMEMBERS', KEYS[3])),
}
