-- Take a token from a bucket that an address has, whoever's api key it shows.
-- Needs: clock.lua rate.lua
--
-- ARGV  1 digest of the address   2 bucket   3 limit   4 window, µs
-- Returns  µs to wait, 0 when a token was taken

local buckets = {{at = KEY.rate .. ARGV[1] .. ':' .. ARGV[2], limit = tonumber(ARGV[3])}}
local window_us = tonumber(ARGV[4])
local wait = wait_for_tokens(buckets, window_us)

if wait == 0 then spend_tokens(buckets, window_us) end
return digits(wait)
