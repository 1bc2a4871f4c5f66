-- KEYS: gate, lease. ARGV: 4 holder.
if call('GET', KEYS[2]) == ARGV[4] then call('DEL', KEYS[2]) end
return { echo, 1 }
