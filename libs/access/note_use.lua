-- Note that api keys were used. Those whose records are gone stay gone.
--
-- ARGV  digests
-- Returns  how many were noted

local noted = 0
for _, digest in ipairs(ARGV) do
  if redis.call('EXISTS', KEY.api_key .. digest) == 1 then
    redis.call('HSET', KEY.api_key .. digest, 'used', now)
    noted = noted + 1
  end
end
return noted
