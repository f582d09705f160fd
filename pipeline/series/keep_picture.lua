-- Keeps the picture of one segment, and forgets those of its rendition and hour that are worth less. Values: pictures.py.
--
-- KEYS: hours, what the pictures show, the pictures: all of one stream.
-- ARGV: rendition and hour; start in ms; what it shows, with its rank in front; the picture; how many of the worst are
--       kept; seconds to keep them; now in seconds since the epoch.
-- Returns the rank that a picture must be under to be among the worst, as text; '' while there is room.
--
-- The lower the rank, the sooner it is kept; of equals the earlier. Beside the worst the newest stays.

local hours, shown, jpegs = KEYS[1], KEYS[2], KEYS[3]
local name, start, what, jpeg = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local most, keep, now = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local call = redis.call

call('HSET', shown, start, what)
call('HSET', jpegs, start, jpeg)

local flat = call('HGETALL', shown)
local found, newest = {}, nil
for index = 1, #flat, 2 do
  local time = tonumber(flat[index])
  found[#found + 1] = {field = flat[index], time = time, rank = tonumber(string.match(flat[index + 1], '^%[([^,]+),'))}
  if not newest or time > newest then newest = time end
end
table.sort(found, function(one, other)
  if one.rank ~= other.rank then return one.rank < other.rank end
  return one.time < other.time
end)
for index = most + 1, #found do
  if found[index].time ~= newest then
    call('HDEL', shown, found[index].field)
    call('HDEL', jpegs, found[index].field)
  end
end

call('EXPIRE', shown, keep)
call('EXPIRE', jpegs, keep)
call('ZADD', hours, now, name)
call('ZREMRANGEBYSCORE', hours, '-inf', now - tonumber(keep))
call('EXPIRE', hours, keep)
return #found < most and '' or string.format('%.6f', found[most].rank)
