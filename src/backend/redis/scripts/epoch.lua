-- What an incarnation leaves behind that has no lifetime.
local function sweep(Q)
  local records = call('HGETALL', Q .. 'w')
  for i = 1, #records, 2 do
    local value = records[i + 1]
    if byte(records[i]) == 116 then
      for at = 1, #value, 16 do call('UNLINK', Q .. 'c' .. sub(value, at, at + 15)) end
    else
      call('UNLINK', Q .. 'm' .. sub(value, 1, 8))
    end
  end
  call('UNLINK', Q .. 'w', Q .. 't')
end

-- The epoch. If there is none in this incarnation, one begins, in which no gate is open.
local function ensure(epoch, nonce)
  local found = call('HMGET', KEYS[1], 'i', 'e', 'n')
  if found[1] == inc and found[2] and found[3] then return found[2] end
  call('DEL', KEYS[1], P .. 't')
  call('HSET', KEYS[1], 'i', inc, 'e', epoch, 'n', nonce)
  local index = root .. 'incarnations'
  for _, other in ipairs(call('SMEMBERS', index)) do
    if other ~= inc then
      sweep(root .. other .. ':')
      call('SREM', index, other)
    end
  end
  call('SADD', index, inc)
  return epoch
end
