"""What a Redis server does in one step for `RedisStore`: scripts, each of which runs as if nothing else did.

A script is sent by its SHA-1 and in full only to a server that does not know it. Keys of contents are made up in
scripts, from the ids that they find; so in a cluster all of a store's keys have to be in one slot.

How the values look that they take apart, see `trivet.stores.redis.layout`. Lua counts from 1.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final, NamedTuple

__all__ = ["FIND", "HEADS", "REMOVE", "SAVE", "UPDATE", "WRITE", "Script"]


class Script(NamedTuple):
    """A script in Lua and what it is called by."""

    text: str
    sha: str


def _script(*parts: str) -> Script:
    text = "".join(parts)
    # The digest is the server's name for the script, and protects nothing.
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


_VALUES: Final = """
local function id(value) return string.sub(value, 1, 32) end
local function is_apart(value) return string.sub(value, 33, 33) == 'x' end
-- A value that is damaged is due, and old.
local function due(value) return tonumber(string.sub(value, 34, 49)) or 0 end
local function came(value) return tonumber(string.sub(value, 50, 65)) or 0 end
local function head_length(value) return tonumber(string.sub(value, 66, 73)) or 0 end

-- Whoever is reading the content that goes with a value may do so for a while yet.
local function let_go(value, contents, grace)
    if is_apart(value) then redis.call('PEXPIRE', contents .. id(value), grace) end
end
"""

# KEYS: entries, target. ARGV: see the first lines.
_KEEPING: Final = """
local entries, target = KEYS[1], KEYS[2]
local member, variant, contents = ARGV[1], ARGV[2], ARGV[6]
local now, ttl, last, grace = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7])

-- Let a key that had so long to live, as PTTL says it, live for the ttl at least; a negative ttl has no end.
local function prolong(key, left, ttl)
    if ttl < 0 then
        redis.call('PERSIST', key)
    elseif left ~= -1 and left < ttl then
        redis.call('PEXPIRE', key, ttl)
    end
end

local function prolong_content(key)
    prolong(key, redis.call('PTTL', key), ttl < 0 and ttl or ttl + grace)
end

local function keep(value)
    local left = redis.call('PTTL', entries)
    redis.call('HSET', entries, variant, value)
    prolong(entries, left, ttl)
    left = redis.call('PTTL', target)
    redis.call('ZREMRANGEBYSCORE', target, '-inf', '(' .. ARGV[3])
    local score = redis.call('ZSCORE', target, member)
    if not score or tonumber(score) < last then redis.call('ZADD', target, ARGV[5], member) end
    prolong(target, left, ttl)
end
"""

# KEYS: entries, target. ARGV: member, contents. Variant and value of each entry; without its content, only the id is
# left of a value. Entries of which the target does not know would not be found to be removed, so they are not at all.
FIND: Final = _script(
    _VALUES,
    """
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return {} end
local all = redis.call('HGETALL', KEYS[1])
for i = 2, #all, 2 do
    if is_apart(all[i]) and redis.call('EXISTS', ARGV[2] .. id(all[i])) == 0 then all[i] = id(all[i]) end
end
return all
""",
)

# KEYS: also the content, if it is apart. ARGV: also value, most variants, size of the content. Whether it was kept.
SAVE: Final = _script(
    _VALUES,
    _KEEPING,
    """
local content = KEYS[3]
if content and redis.call('STRLEN', content) ~= tonumber(ARGV[10]) then return 0 end

local function drop(name, value)
    redis.call('HDEL', entries, name)
    let_go(value, contents, grace)
end

-- Whether there is room for another entry, in the place of one that is due, or else of the one that came first.
local function make_room(most)
    local all = redis.call('HGETALL', entries)
    local left, oldest = #all / 2, nil
    for i = 1, #all, 2 do
        if due(all[i + 1]) <= now then
            drop(all[i], all[i + 1])
            left = left - 1
        elseif not oldest or came(all[i + 1]) < came(all[oldest + 1]) then
            oldest = i
        end
    end
    if left < most then return true end
    if came(all[oldest + 1]) > came(ARGV[8]) then return false end
    drop(all[oldest], all[oldest + 1])
    return true
end

local before = redis.call('HGET', entries, variant)
if before then
    let_go(before, contents, grace)
elseif redis.call('HLEN', entries) >= tonumber(ARGV[9]) and not make_room(tonumber(ARGV[9])) then
    return 0
end
if content then prolong_content(content) end
keep(ARGV[8])
return 1
""",
)

# ARGV: also the id, what comes after id and kind. Whether the entry was there.
UPDATE: Final = _script(
    _VALUES,
    _KEEPING,
    """
local before = redis.call('HGET', entries, variant)
if not before or id(before) ~= ARGV[8] then return 0 end
if is_apart(before) then
    local content = contents .. ARGV[8]
    if redis.call('EXISTS', content) == 0 then
        redis.call('HDEL', entries, variant)
        return 0
    end
    prolong_content(content)
end
keep(string.sub(before, 1, 33) .. ARGV[9] .. string.sub(before, 74 + head_length(before)))
return 1
""",
)

# KEYS: for each entry its entries. ARGV: contents, grace, and for each entry its variant, id. How many were there.
REMOVE: Final = _script(
    _VALUES,
    """
local removed = 0
for i, entries in ipairs(KEYS) do
    local variant = ARGV[2 * i + 1]
    local value = redis.call('HGET', entries, variant)
    if value and id(value) == ARGV[2 * i + 2] then
        redis.call('HDEL', entries, variant)
        let_go(value, ARGV[1], ARGV[2])
        removed = removed + 1
    end
end
return removed
""",
)

# KEYS: entries. ARGV: now. For each entry that is not due: which of the keys, from 1; variant, id, head.
HEADS: Final = _script(
    _VALUES,
    """
local found = {}
for i, entries in ipairs(KEYS) do
    local all = redis.pcall('HGETALL', entries)
    if all.err then redis.call('UNLINK', entries) end
    for j = 1, #all, 2 do
        local value = all[j + 1]
        if due(value) > tonumber(ARGV[1]) then
            found[#found + 1] = {i, all[j], id(value), string.sub(value, 74, 73 + head_length(value))}
        end
    end
end
return found
""",
)

# KEYS: content. ARGV: offset, piece, ttl. How long the content is then. A piece that is sent again, since nobody
# knows whether it came, is not added again.
WRITE: Final = _script("""
local length = redis.call('STRLEN', KEYS[1])
if length == tonumber(ARGV[1]) then
    length = redis.call('APPEND', KEYS[1], ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return length
""")
