-- KEYS: gate, testimonies. ARGV: 4 and 5 an epoch and a nonce, 6 the database, 7 declarations, each
-- after its length, 8 how many bytes may be declared.
ensure(ARGV[4], ARGV[5])
local field = 'k' .. ARGV[6]
local before = call('HGET', KEYS[1], field) or ''
local known, all = {}, before
local function each(list, f)
  local at = 1
  while at + 4 <= #list do
    local length = num(list, at, 4)
    f(sub(list, at, at + 3 + length))
    at = at + 4 + length
  end
end
each(before, function(one) known[one] = true end)
each(ARGV[7], function(one)
  if not known[one] and #all + #one <= tonumber(ARGV[8]) then
    known[one] = true
    all = all .. one
  end
end)
if all ~= before then
  -- Who does not know it yet must learn it before any result is relied on.
  call('HSET', KEYS[1], field, all, 'e', ARGV[4])
  call('HDEL', KEYS[1], 's' .. ARGV[6])
  call('DEL', KEYS[2])
end
return { echo, all }
