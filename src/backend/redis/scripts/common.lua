-- Stands before every script. What all are given:
-- KEYS[1] the gate. ARGV[1] is repeated in the answer. ARGV[2] is the server's replication id, to be
-- verified, or empty. ARGV[3] is the incarnation. What an operation is given begins at ARGV[4].
local echo, inc = ARGV[1], ARGV[3]
if ARGV[2] ~= '' and not string.find(redis.call('INFO', 'replication'), 'master_replid:' .. ARGV[2], 1, true) then
  return redis.error_reply('DCTERM the server began another term')
end
local call, sub, byte = redis.call, string.sub, string.byte
local root = sub(KEYS[1], 1, -5)
local P = root .. inc .. ':'
local HEAD = 128

local function num(s, at, len)
  local n = 0
  for i = at, at + len - 1 do n = n * 256 + byte(s, i) end
  return n
end

-- The values of many keys: unpack has a limit.
local function mget(keys, from, to)
  local all = {}
  for at = from, to, 1000 do
    local some = call('MGET', unpack(keys, at, math.min(at + 999, to)))
    for i = 1, #some do all[#all + 1] = some[i] end
  end
  return all
end

-- Since when the gate of a database is open: a field of the gate; of a closed one there is none.
local function opening(field)
  if field and #field == 16 then return field end
  return false
end

-- The nonce, if the gate is open for a database, for all that are named ('*' and their names) or
-- as such ('-'); and since when, for one.
local function gate(which)
  if byte(which) == 42 and #which % 16 == 1 then
    local fields = { 'i', 'e', 'n' }
    for at = 2, #which, 16 do fields[#fields + 1] = 's' .. sub(which, at, at + 15) end
    local found = call('HMGET', KEYS[1], unpack(fields))
    if found[1] ~= inc or not found[2] or not found[3] then return false, false end
    for i = 4, #fields do
      if not opening(found[i]) then return false, false end
    end
    return found[3], false
  end
  local found = call('HMGET', KEYS[1], 'i', 'e', 'n', 's' .. which)
  if found[1] ~= inc or not found[2] or not found[3] then return false, false end
  if which ~= '-' and not opening(found[4]) then return false, false end
  return found[3], opening(found[4])
end

-- The tags of an entry, as one string, if it looks like an entry.
local function parse(e)
  if not e or #e < HEAD or sub(e, 1, 4) ~= 'dcE\1' then return nil end
  local tags, removed = num(e, 25, 4), num(e, 23, 2)
  if #e < HEAD + 32 * tags + 16 * removed then return nil end
  return {
    n = tags,
    tags = sub(e, HEAD + 1, HEAD + 16 * tags),
    tokens = sub(e, HEAD + 16 * tags + 1, HEAD + 32 * tags),
    removed = sub(e, HEAD + 32 * tags + 1, HEAD + 32 * tags + 16 * removed),
    nonce = sub(e, 65, 80),
    expires = math.min(num(e, 5, 8), num(e, 29, 8)),
    limit = num(e, 29, 8),
    stale = num(e, 37, 8),
  }
end

-- An entry is text of a bounded length; anything else under its key is none.
local function read(key, limit)
  local e = redis.pcall('GET', key)
  if type(e) == 'string' and #e <= limit then return e end
  return false
end

-- The cells of an entry's tags; of those after the first ones, if their number is given.
local function cells_of(p, first)
  local keys, first = {}, first or 0
  for i = first + 1, p.n do keys[i - first] = P .. 'c' .. sub(p.tags, 16 * i - 15, 16 * i) end
  return keys
end

-- Whether an entry is valid by its own tags.
local function valid(p, nonce, now)
  if not p or not nonce or p.nonce ~= nonce or p.expires <= now then return false end
  local keys = cells_of(p)
  local cells = p.n > 0 and mget(keys, 1, p.n) or {}
  for i = 1, p.n do
    if cells[i] ~= 'c' .. sub(p.tokens, 16 * i - 15, 16 * i) then return false end
  end
  return true
end

local function state(cell)
  if #cell == 17 and byte(cell) == 99 then return cell end
  return 'q'
end

-- The entry is known by the tags that it is removed with until it ends.
local function follow(p, member, now, ends)
  for i = 1, #p.removed, 16 do
    local key = P .. 'r' .. sub(p.removed, i, i + 15)
    call('ZREMRANGEBYSCORE', key, '-inf', now)
    call('ZADD', key, ends, member)
    if call('PTTL', key) < ends - now then call('PEXPIRE', key, math.max(ends - now, 1)) end
  end
end

-- No token ends before an entry that holds it.
local function prolong(keys, ms)
  for i = 1, #keys do call('PEXPIRE', keys[i], ms, 'GT') end
end
