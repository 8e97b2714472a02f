-- The histogram of the times until delivery.

-- Return the number of the field of the histogram for a time until delivery. There are four fields for each doubling of
-- the time, so a field's middle is at most 9.1 % away from each time that it counts. Reports have whole seconds, so all
-- times below a second have one field. Returns also the range of times that this field counts: its first time, and the
-- first time after it.
local function delivery_time_bucket(ms)
  if ms < 1000 then return 0, -math.huge, 1000 end
  local mantissa, exponent = math.frexp(ms)
  local bucket, from, until_mantissa = 4 * exponent, 0.5, 0.5946035575013605
  if mantissa >= 0.8408964152537145 then bucket, from, until_mantissa = bucket + 3, 0.8408964152537145, 1
  elseif mantissa >= 0.7071067811865476 then
    bucket, from, until_mantissa = bucket + 2, 0.7071067811865476, 0.8408964152537145
  elseif mantissa >= 0.5946035575013605 then
    bucket, from, until_mantissa = bucket + 1, 0.5946035575013605, 0.7071067811865476
  end
  if bucket >= 127 then return 127, ms, math.huge end
  return bucket, math.max(math.ldexp(from, exponent), 1000), math.ldexp(until_mantissa, exponent)
end
