-- Counts one call and what it may cost, or neither. KEYS[1]: a hash of second to calls, and of what was spent: minute,
-- in_minute, day, in_day (of UTC).
-- ARGV: calls a minute, the amount, the most in a minute, the most in a day. An empty limit is none.
-- Gives {1, calls left, second, left in the minute, left in the day, minute, day} or
-- {0, milliseconds until it may be granted, 'rate' or 'spend'}.
local limit, amount = tonumber(ARGV[1]), tonumber(ARGV[2])
local per_minute, per_day = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + math.floor(tonumber(time[2]) / 1000)
local minute, day = math.floor(now / 60000), math.floor(now / 86400000)

local was = redis.call('HMGET', KEYS[1], 'minute', 'in_minute', 'day', 'in_day')
local in_minute = tonumber(was[1] or '') == minute and tonumber(was[2] or '') or 0
local in_day = tonumber(was[3] or '') == day and tonumber(was[4] or '') or 0
if per_day and in_day + amount > per_day then
    return {0, (day + 1) * 86400000 - now, 'spend'}
end
if per_minute and in_minute + amount > per_minute then
    return {0, (minute + 1) * 60000 - now, 'spend'}
end

local used, oldest, stale = 0, second, {}
if limit then
    local counts = redis.call('HGETALL', KEYS[1])
    for i = 1, #counts, 2 do
        local at, calls = tonumber(counts[i]), tonumber(counts[i + 1])
        if at and (at < second - 60 or at > second + 60) then
            stale[#stale + 1] = counts[i]
        elseif at and calls > 0 then
            used = used + calls
            oldest = math.min(oldest, at)
        end
    end
    if #stale > 0 then
        redis.call('HDEL', KEYS[1], unpack(stale))
    end
    if used >= limit then
        return {0, (oldest + 61) * 1000 - now, 'rate'}
    end
    redis.call('HINCRBY', KEYS[1], time[1], 1)
end

local function text(number)
    return string.format('%.17g', number)
end
local keep = 62000
if per_minute or per_day then
    in_minute, in_day, keep = in_minute + amount, in_day + amount, 172800000
    redis.call('HSET', KEYS[1], 'minute', text(minute), 'in_minute', text(in_minute), 'day', text(day), 'in_day', text(in_day))
end
if redis.call('PTTL', KEYS[1]) < keep then
    redis.call('PEXPIRE', KEYS[1], keep)
end
return {
    1, limit and limit - used - 1 or 0, second,
    per_minute and text(per_minute - in_minute) or '', per_day and text(per_day - in_day) or '', minute, day,
}
