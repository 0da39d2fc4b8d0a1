-- Calls of the last minute, counted by second. KEYS[1]: a hash of second to calls. ARGV[1]: calls a minute.
-- Gives {1, calls left, second} or {0, milliseconds until a call may be made}.
local limit = tonumber(ARGV[1])
local time = redis.call('TIME')
local second = tonumber(time[1])
local used, oldest, stale = 0, second, {}
local counts = redis.call('HGETALL', KEYS[1])
for i = 1, #counts, 2 do
    local at, calls = tonumber(counts[i]), tonumber(counts[i + 1])
    if at < second - 60 or at > second + 60 then
        stale[#stale + 1] = counts[i]
    elseif calls > 0 then
        used = used + calls
        oldest = math.min(oldest, at)
    end
end
if #stale > 0 then
    redis.call('HDEL', KEYS[1], unpack(stale))
end
if used >= limit then
    return {0, (oldest + 61 - second) * 1000 - math.floor(tonumber(time[2]) / 1000)}
end
redis.call('HINCRBY', KEYS[1], time[1], 1)
redis.call('PEXPIRE', KEYS[1], 62000)
return {1, limit - used - 1, second}
