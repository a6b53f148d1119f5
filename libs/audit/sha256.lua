-- SHA-256 (FIPS 180-4), which Redis's Lua lacks. In hex; `libs.audit.chain` checks every result with Python's own.

local band, bxor, bnot, ror, rshift = bit.band, bit.bxor, bit.bnot, bit.ror, bit.rshift

-- The first 32 bits of the fractional part of x.
local function fraction(x)
  return math.floor((x - math.floor(x)) * 4294967296)
end

-- Its constants are such fractions: of the square roots of the first 8 primes, of the cube roots of the first 64.
local function constants()
  local initial, rounds, candidate = {}, {}, 2
  while #rounds < 64 do
    local prime = true
    for divisor = 2, math.floor(math.sqrt(candidate)) do prime = prime and candidate % divisor ~= 0 end
    if prime then
      if #initial < 8 then initial[#initial + 1] = fraction(math.sqrt(candidate)) end
      rounds[#rounds + 1] = fraction(candidate ^ (1 / 3))
    end
    candidate = candidate + 1
  end
  return initial, rounds
end

-- The text, a 1 bit, zeros, and its length in bits, up to a multiple of 64 bytes.
local function padded(text)
  local zeros = string.rep('\0', (55 - #text) % 64)
  local length, bytes = #text * 8, {}
  for i = 8, 1, -1 do
    bytes[i] = string.char(length % 256)
    length = math.floor(length / 256)
  end
  return text .. '\128' .. zeros .. table.concat(bytes)
end

-- The 64 words that a block of 64 bytes is spread over.
local function schedule(block)
  local words = {}
  for i = 1, 16 do
    local a, b, c, d = string.byte(block, i * 4 - 3, i * 4)
    words[i] = bit.tobit(((a * 256 + b) * 256 + c) * 256 + d)
  end
  for i = 17, 64 do
    local x, y = words[i - 15], words[i - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    words[i] = bit.tobit(words[i - 16] + s0 + words[i - 7] + s1)
  end
  return words
end

local function compress(state, words, rounds)
  local a, b, c, d, e, f, g, h = unpack(state)
  for i = 1, 64 do
    local chosen = bxor(band(e, f), band(bnot(e), g))
    local most = bxor(band(a, b), band(a, c), band(b, c))
    local first = bit.tobit(h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + chosen + rounds[i] + words[i])
    local second = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + most
    a, b, c, d, e, f, g, h = bit.tobit(first + second), a, b, c, bit.tobit(d + first), e, f, g
  end
  local after = {a, b, c, d, e, f, g, h}
  for i = 1, 8 do after[i] = bit.tobit(after[i] + state[i]) end
  return after
end

local function sha256(text)
  local state, rounds = constants()
  text = padded(text)
  for start = 1, #text, 64 do
    state = compress(state, schedule(string.sub(text, start, start + 63)), rounds)
  end
  for i = 1, 8 do state[i] = bit.tohex(state[i]) end
  return table.concat(state)
end
