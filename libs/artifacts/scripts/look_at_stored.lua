-- How many bytes a user, or `all` users, have in the object store.
-- Needs: clock.lua stored.lua
--
-- ARGV  1 user, or "all"

return digits(stored_bytes(ARGV[1]))
