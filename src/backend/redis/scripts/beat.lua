-- KEYS: gate, testimonies, the writers of the process. ARGV: 4 and 5 an epoch and a nonce, if they
-- are needed, 6 the databases.
local epoch = ensure(ARGV[4], ARGV[5])
local open = {}
for at = 1, #ARGV[6], 16 do
  local space = sub(ARGV[6], at, at + 15)
  local since = opening(call('HGET', KEYS[1], 's' .. space))
  if since then open[#open + 1] = space .. since end
end
return {
  echo, epoch, table.concat(open),
  table.concat(call('SMEMBERS', KEYS[2])), table.concat(call('SMEMBERS', KEYS[3])),
}
