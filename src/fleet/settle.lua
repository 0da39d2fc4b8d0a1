-- Puts a bill in the place of its estimate. KEYS[1]: as in take.lua. ARGV: difference, minute, day of the estimate.
-- A bill that comes in a later minute or day belongs to that in which the call was made.
for _, span in ipairs({{'minute', 'in_minute', ARGV[2]}, {'day', 'in_day', ARGV[3]}}) do
    if redis.call('HGET', KEYS[1], span[1]) == span[3] then
        local spent = tonumber(redis.call('HGET', KEYS[1], span[2]) or '') or 0
        redis.call('HSET', KEYS[1], span[2], string.format('%.17g', math.max(0, spent + tonumber(ARGV[1]))))
    end
end
return 1
