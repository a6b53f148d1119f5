-- How long what is known of an upload is kept.

-- A PUT that began before its URL lapsed may end after it.
local GRACE_MS = 15 * 60 * 1000
-- A record outlives its upload for as long as the sweep may be away: it is how the object is found.
local MARGIN_MS = 30 * 24 * 3600 * 1000
-- Who completes an upload says again and again that it lives; silent for so long, it does not.
local COMPLETING_MS = 30 * 1000
