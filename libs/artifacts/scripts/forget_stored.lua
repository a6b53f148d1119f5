-- Forget what a user has stored: they are being erased, and all of it is gone.
-- Needs: clock.lua stored.lua
--
-- ARGV  1 user

forget_stored(ARGV[1])
return 0
