-- KEYS: gate. ARGV: 4 a nonce. Without an epoch nothing is valid, and the next has a nonce of its own.
if call('HGET', KEYS[1], 'i') == inc then call('HSET', KEYS[1], 'n', ARGV[4]) end
return { echo, 1 }
