-- Undoes one call that was counted but not made. KEYS[1]: as in take.lua. ARGV[1]: the second.
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') > 0 then
    redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
end
return 1
