-- How a breaker is.
-- Needs: circuit.lua
--
-- Returns  {"closed"} | {"open", ms until someone may try} | {"half_open", ms until the next may}

return verdict()
