-- Take tokens from a bucket of a caller's, whose credential is looked at once more.
-- Needs: clock.lua rate.lua credential.lua
--
-- ARGV  1 user   2 digest of the api key   3 bucket   4 tokens to take, 0 = only look   5 limit   6 window, µs
--       7 for the bucket of attempts, attempts for each submit; else ''
--       8 '1' where what is taken was used already: it is taken, whether there is as much or not
-- Returns  {"taken" | "rate_limited", tokens left, µs until full, µs to wait, limit of the bucket that runs out first}
--          | {"invalid_token"}

local user, wanted, window_us = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[6])
local good, rates = credential_good(ARGV[2], user)
if not good then return {'invalid_token'} end
local buckets = buckets_of(user, ARGV[2], rates, ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[7]))
local wait = wanted > 0 and ARGV[8] ~= '1' and wait_for_tokens(buckets, window_us) or 0

if wanted > 0 and wait == 0 then spend_tokens(buckets, window_us, wanted) end
local left, until_full, limit = tightest(buckets, window_us)
return {wait > 0 and 'rate_limited' or 'taken', left, digits(until_full), digits(wait), limit}
