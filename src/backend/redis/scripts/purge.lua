-- KEYS: gate, the set. ARGV: 4 how many at once. Answers how many are left.
local tag = sub(KEYS[2], #P + 2)
local members = call('ZRANGE', KEYS[2], 0, tonumber(ARGV[4]) - 1)
for _, member in ipairs(members) do
  local key = P .. 'e' .. member
  local head = redis.pcall('GETRANGE', key, 0, HEAD - 1)
  if type(head) == 'string' and #head == HEAD then
    -- What is stored there now may be something else.
    local from = HEAD + 32 * num(head, 25, 4)
    local removed = call('GETRANGE', key, from, from + 16 * num(head, 23, 2) - 1)
    for at = 1, #removed, 16 do
      if sub(removed, at, at + 15) == tag then
        call('UNLINK', key)
        break
      end
    end
  end
end
if #members == 0 then return { echo, 0 } end
call('ZREM', KEYS[2], unpack(members))
return { echo, call('ZCARD', KEYS[2]) }
