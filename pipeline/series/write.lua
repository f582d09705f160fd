-- Writes points of one stream, and recomputes the roll-ups that they touch. Values: values.py. Keys: keys.py.
--
-- KEYS: series, then for every group (points of one series in one minute): raw, minutes, hours, months.
-- ARGV: seconds to keep raw, minutes and hours; the channel; now in ms since the epoch; then for every group:
--       series; start of its minute in ms, of its hour in ms, its month and how many points, in one word; and for every
--       point: start in ms, value, message for the channel. (Few arguments: the client takes 3 us for each.)
-- Returns how many points were new, changed (replaced another), repeated (were there already), outdated (of a
-- lower revision than what is there) and late (the minute's points are gone, its roll-up stays).
--
-- Roll-ups are never added to: a minute is made of its raw points and an hour of its minutes, so that whatever was
-- written twice or in another order ends in the same numbers.

local keep_raw, keep_minutes, keep_hours = ARGV[1], ARGV[2], ARGV[3]
local channel, now_ms = ARGV[4], ARGV[5]
local call, decode, encode, null = redis.call, cjson.decode, cjson.encode, cjson.null
local NEW, CHANGED, REPEATED, OUTDATED, LATE = 1, 2, 3, 4, 5
local counts = {0, 0, 0, 0, 0}

local function read_hash(key)
  local flat = call('HGETALL', key)
  local fields = {}
  for index = 1, #flat, 2 do fields[flat[index]] = flat[index + 1] end
  return fields, #flat > 0
end

-- Twelve doubles, then two JSON objects: packed, as an hour unpacks 60 of them (0.3 us each, JSON takes 2 us). All
-- sums are of whole numbers below 2^53: exact, so that the order of the parts does not matter.
local PACKED = '<dddddddddddd'
local PACKED_BYTES = 96
local tails = {}  -- the objects by their text: nearly all minutes have the same

local function rollup(sums, bases, findings)
  return struct.pack(PACKED, unpack(sums)) .. encode({bases, findings})
end

local function whole(value) return math.floor(value + 0.5) end

local function minute_of(points)
  local revision, count, duration, weight, score, low, high = 0, 0, 0, 0, 0, 0, 0
  local least, least_ms, greatest, known, bitrate = math.huge, 0, -math.huge, 0, 0
  local bases, findings = {}, {}
  for start, text in pairs(points) do
    local point, time = decode(text), tonumber(start)
    local lasts = whole(point[3] * 1000)
    local own = math.max(lasts, 1)
    if point[1] > revision then revision = point[1] end
    count = count + 1
    duration = duration + lasts
    weight = weight + own
    score = score + whole(point[2] * 1e6) * own
    low = low + whole(point[7] * 1e6) * own
    high = high + whole(point[8] * 1e6) * own
    if point[2] < least or (point[2] == least and time < least_ms) then least, least_ms = point[2], time end
    if point[2] > greatest then greatest = point[2] end
    if point[4] ~= null then
      known = known + own
      bitrate = bitrate + point[4] * own
    end
    bases[point[5]] = (bases[point[5]] or 0) + 1
    if point[6] ~= '' then
      for kind in string.gmatch(point[6], '[^,]+') do findings[kind] = (findings[kind] or 0) + 1 end
    end
  end
  return rollup({revision, count, duration, weight, score, low, high, least, least_ms, greatest, known, bitrate},
    bases, findings)
end

local function hour_of(minutes)
  local revision, count, duration, weight, score, low, high = 0, 0, 0, 0, 0, 0, 0
  local least, least_ms, greatest, known, bitrate = math.huge, 0, -math.huge, 0, 0
  local bases, findings = {}, {}
  for index = 2, #minutes, 2 do
    local text = minutes[index]
    local a, b, c, d, e, f, g, lowest, lowest_ms, highest, h, i = struct.unpack(PACKED, text)
    if a > revision then revision = a end
    count, duration, weight = count + b, duration + c, weight + d
    score, low, high = score + e, low + f, high + g
    if lowest < least or (lowest == least and lowest_ms < least_ms) then least, least_ms = lowest, lowest_ms end
    if highest > greatest then greatest = highest end
    known, bitrate = known + h, bitrate + i
    local tail = string.sub(text, PACKED_BYTES + 1)
    local counted = tails[tail]
    if not counted then
      counted = decode(tail)
      tails[tail] = counted
    end
    for name, number in pairs(counted[1]) do bases[name] = (bases[name] or 0) + number end
    for name, number in pairs(counted[2]) do findings[name] = (findings[name] or 0) + number end
  end
  return rollup({revision, count, duration, weight, score, low, high, least, least_ms, greatest, known, bitrate},
    bases, findings)
end

-- The revision of a minute whose points are gone; nil: nothing was ever there.
local function gone_revision(minutes_key, hours_key, minute, hour)
  local text = call('HGET', minutes_key, minute)
  if not text and call('EXISTS', minutes_key) == 0 then text = call('HGET', hours_key, hour) end
  return text and (struct.unpack('<d', text))
end

local hours = {}   -- minutes key .. hour -> what to recompute
local series = {}  -- series -> what its points add to the index
local key, arg = 2, 6
while key <= #KEYS do
  local raw_key, minutes_key, hours_key, months_key = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3]
  local name = ARGV[arg]
  local minute, hour, month, count = string.match(ARGV[arg + 1], '^(%-?%d+) (%-?%d+) (%-?%d+) (%d+)$')
  local last = arg + 2 + 3 * tonumber(count)
  local points, present = read_hash(raw_key)
  local gone = not present and gone_revision(minutes_key, hours_key, minute, hour)
  local fresh = {}
  for at = arg + 2, last - 1, 3 do
    local start, value = ARGV[at], ARGV[at + 1]
    local revision = tonumber(string.match(value, '^%[(%d+)'))
    local old = points[start]
    local fate = NEW
    if gone and revision <= gone then
      fate = LATE
    elseif old == value then
      fate = REPEATED
    elseif old then
      fate = revision < decode(old)[1] and OUTDATED or CHANGED
    end
    counts[fate] = counts[fate] + 1
    if fate <= CHANGED then
      gone = nil
      points[start] = value
      fresh[#fresh + 1] = start
      fresh[#fresh + 1] = value
      local time = tonumber(start)
      local known = series[name]
      if not known then
        known = {first = time, last = time, revision = revision, value = value}
        series[name] = known
      end
      known.first = math.min(known.first, time)
      known.revision = math.max(known.revision, revision)
      if time >= known.last then known.last, known.value = time, value end
      call('PUBLISH', channel, ARGV[at + 2])
    end
  end
  if #fresh > 0 then
    call('HSET', raw_key, unpack(fresh))
    call('EXPIRE', raw_key, keep_raw)
    call('HSET', minutes_key, minute, minute_of(points))
    hours[minutes_key] = {hours_key, months_key, hour, month}
  end
  key, arg = key + 4, last
end

for minutes_key, place in pairs(hours) do
  local hours_key, months_key, hour, month = place[1], place[2], place[3], place[4]
  call('EXPIRE', minutes_key, keep_minutes)
  call('HSET', hours_key, hour, hour_of(call('HGETALL', minutes_key)))
  call('EXPIRE', hours_key, keep_hours)
  call('ZADD', months_key, month, month)
  call('EXPIRE', months_key, keep_hours)
end

for name, known in pairs(series) do
  local text = call('HGET', KEYS[1], name)
  if text then
    local first, revision, last, value = string.match(text, '^%[(%-?%d+),%d+,(%d+),(%-?%d+),(.*)%]$')
    known.first = math.min(known.first, tonumber(first))
    known.revision = math.max(known.revision, tonumber(revision))
    if tonumber(last) > known.last then known.last, known.value = tonumber(last), value end
  end
  call('HSET', KEYS[1], name,
    string.format('[%.0f,%s,%.0f,%.0f,%s]', known.first, now_ms, known.revision, known.last, known.value))
end
if next(series) then call('EXPIRE', KEYS[1], keep_hours) end

return counts
