-- What is spent in this minute and day of UTC. KEYS[1]: a hash of minute, in_minute, day, in_day.
-- ARGV: amount, the most in a minute, the most in a day (either may be empty).
-- Gives {1, left in the minute, left in the day, minute, day} or {0, milliseconds until the minute or day ends}.
local amount, per_minute, per_day = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local minute, day = math.floor(now / 60000), math.floor(now / 86400000)
local was = redis.call('HMGET', KEYS[1], 'minute', 'in_minute', 'day', 'in_day')
local in_minute = tonumber(was[1] or '') == minute and tonumber(was[2] or '') or 0
local in_day = tonumber(was[3] or '') == day and tonumber(was[4] or '') or 0
if per_day and in_day + amount > per_day then
    return {0, (day + 1) * 86400000 - now}
end
if per_minute and in_minute + amount > per_minute then
    return {0, (minute + 1) * 60000 - now}
end
in_minute, in_day = in_minute + amount, in_day + amount
local function text(number)
    return string.format('%.17g', number)
end
redis.call('HSET', KEYS[1], 'minute', text(minute), 'in_minute', text(in_minute), 'day', text(day), 'in_day', text(in_day))
redis.call('PEXPIRE', KEYS[1], 172800000)
return {1, per_minute and text(per_minute - in_minute) or '', per_day and text(per_day - in_day) or '', minute, day}
