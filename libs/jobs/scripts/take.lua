-- Take tokens from one bucket of a caller, whose credential is looked at once more.
-- Needs: clock.lua rate.lua credential.lua
--
-- ARGV  1 user   2 digest of the api key   3 bucket   4 tokens to take, 0 = only look   5 limit   6 window, µs
-- Returns  {"taken" | "rate_limited", tokens left, µs until full, µs to wait} | {"invalid_token"}

local user, wanted, limit, window_us = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local bucket = KEY.rate .. user .. ':' .. ARGV[3]

if not credential_good(ARGV[2], user) then return {'invalid_token'} end
local wait = wanted > 0 and wait_for_token(bucket, limit, window_us) or 0

if wanted > 0 and wait == 0 then spend_token(bucket, limit, window_us) end
local left, until_full = tokens_left(bucket, limit, window_us)
return {wait > 0 and 'rate_limited' or 'taken', left, digits(until_full), digits(wait)}
