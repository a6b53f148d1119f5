-- What a limit is doing.
-- Needs: limit.lua
--
-- Returns  {bookings ahead, requests that count, tokens that count, requests that hold a place, ms of pause left,
--           share of the limit in use, delay of an answer in ms}, the last two as text

local tokens = 0
if TOKENS > 0 then
  for _, request in ipairs(redis.call('ZRANGEBYSCORE', LOG, after(now), '+inf')) do
    tokens = tokens + tokens_of(request)
  end
end
return {
  redis.call('ZCOUNT', ROW, now - GRACE, '+inf'),
  redis.call('ZCOUNT', LOG, after(now), '+inf'),
  tokens,
  redis.call('ZCOUNT', UNDER_WAY, after(now), '+inf'),
  math.ceil(math.max(0, (state.paused_until or 0) - now)),
  tostring(share()),
  tostring(delay()),
}
