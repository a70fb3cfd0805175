"""BLAKE3 in Python: hash, keyed hash and key derivation, 32 bytes of output.

Debian 12 has no Python module for it. Integers without limit serve as vectors: a state word is one
integer with a lane of 64 bits for each block that is compressed at the same time; the upper 32 bits
of a lane take the carries of additions. One code path serves one short message and a thousand
chunks of a long one. Structure and constants are those of the BLAKE3 paper, sections 2.1 to 2.6.
"""
import struct
from typing import NamedTuple

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
      0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
COLUMNS_AND_DIAGONALS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
ROUNDS = 7
BLOCK = 64
CHUNK = 1024
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
KEYED_HASH, DERIVE_KEY_CONTEXT, DERIVE_KEY_MATERIAL = 16, 32, 64
# More lanes than these make integers that the processor's nearest caches do not hold.
LANES = 512


class Node(NamedTuple):
    """A chunk, or a parent: up to 1,024 bytes that are compressed block by block."""
    data: bytes
    counter: int
    flags: int       # of every block
    first: int       # of the first block besides
    last: int        # of the last block besides

    def blocks(self):
        return max(1, -(-len(self.data) // BLOCK))


def digest(data):
    """The hash without a key."""
    return _digests([data], IV, 0)[0]


def keyed(key, data):
    """The keyed hash; `key` has 32 bytes."""
    return keyed_many(key, [data])[0]


def keyed_many(key, messages):
    """The keyed hashes of several messages, computed side by side."""
    return _digests(messages, struct.unpack('<8I', key), KEYED_HASH)


def derive(context, material):
    """A key of 32 bytes from `material`, for the purpose that the text `context` names."""
    context_key = _digests([context.encode('ascii')], IV, DERIVE_KEY_CONTEXT)[0]
    return _digests([material], struct.unpack('<8I', context_key), DERIVE_KEY_MATERIAL)[0]


def _digests(messages, key, mode):
    """The root values of the messages' trees. An odd node of a level goes up unchanged, which gives
    the tree whose left subtrees are the greatest powers of two."""
    levels = _per_message(messages, [_chunks(message, mode) for message in messages], key)
    while any(len(level) > 1 for level in levels):
        parents = [_parents(level, mode) for level in levels]
        hashed = _per_message(messages, parents, key)
        levels = [values + level[2 * len(values):] for values, level in zip(hashed, levels)]
    return [level[0] for level in levels]


def _chunks(message, mode):
    root = ROOT if len(message) <= CHUNK else 0
    return [Node(message[at:at + CHUNK], at // CHUNK, mode, CHUNK_START, CHUNK_END | root)
            for at in range(0, max(1, len(message)), CHUNK)]


def _parents(level, mode):
    root = ROOT if len(level) == 2 else 0
    return [Node(level[at] + level[at + 1], 0, mode | PARENT, 0, root)
            for at in range(0, len(level) - 1, 2)]


def _per_message(messages, nodes, key):
    """The chaining values of each message's nodes; all nodes are compressed together."""
    together = [node for of_one in nodes for node in of_one]
    values = []
    for at in range(0, len(together), LANES):
        values += _compress_nodes(together[at:at + LANES], key)
    remaining = iter(values)
    return [[next(remaining) for _ in of_one] for of_one in nodes]


def _compress_nodes(nodes, key):
    """The chaining values of up to LANES nodes, 32 bytes each."""
    ones = int.from_bytes((1).to_bytes(8, 'little') * len(nodes), 'little')
    mask = ones * 0xFFFFFFFF
    counts = [node.blocks() for node in nodes]
    steps = max(counts)
    padded = b''.join(node.data.ljust(steps * BLOCK, b'\0') for node in nodes)
    counters = _lanes([node.counter for node in nodes])
    values = [word * ones for word in key]
    for step in range(steps):
        words = [_column(padded, steps * BLOCK, step * BLOCK + 4 * i, len(nodes))
                 for i in range(16)]
        lengths = _lanes([min(BLOCK, max(0, len(node.data) - step * BLOCK)) for node in nodes])
        flags = _lanes([_flags(node, step, count) for node, count in zip(nodes, counts)])
        state = values + [word * ones for word in IV[:4]] + [counters, 0, lengths, flags]
        _rounds(state, words, mask)
        # A node that ended before this step keeps the value that it has.
        active = _lanes([0xFFFFFFFF if step < count else 0 for count in counts])
        values = [old ^ ((old ^ low ^ high) & active)
                  for old, low, high in zip(values, state[:8], state[8:])]
    return _rows(values, len(nodes))


def _flags(node, step, count):
    return (node.flags | (node.first if step == 0 else 0)
            | (node.last if step == count - 1 else 0))


def _lanes(numbers):
    """One integer with a lane for each number, which may have up to 64 bits."""
    return int.from_bytes(struct.pack('<%dQ' % len(numbers), *numbers), 'little')


def _column(data, stride, offset, count):
    """The 32-bit words at `offset` of each `stride` bytes, a lane each."""
    lanes = bytearray(8 * count)
    for byte in range(4):
        lanes[byte::8] = data[offset + byte::stride]
    return int.from_bytes(lanes, 'little')


def _rows(values, count):
    """The inverse of _column: each lane's eight words as 32 bytes."""
    joined = bytearray(32 * count)
    for i, value in enumerate(values):
        lanes = value.to_bytes(8 * count, 'little')
        for byte in range(4):
            joined[4 * i + byte::32] = lanes[byte::8]
    return [bytes(joined[at:at + 32]) for at in range(0, len(joined), 32)]


def _rounds(state, words, mask):
    for _ in range(ROUNDS):
        for i, (a, b, c, d) in enumerate(COLUMNS_AND_DIAGONALS):
            state[a], state[b], state[c], state[d] = _mix(
                state[a], state[b], state[c], state[d], words[2 * i], words[2 * i + 1], mask)
        words = [words[i] for i in PERMUTATION]


def _mix(a, b, c, d, x, y, mask):
    """The quarter round. Rotating right: a lane takes its word twice, and is shifted."""
    a = (a + b + x) & mask
    d ^= a
    d = (d | d << 32) >> 16 & mask
    c = (c + d) & mask
    b ^= c
    b = (b | b << 32) >> 12 & mask
    a = (a + b + y) & mask
    d ^= a
    d = (d | d << 32) >> 8 & mask
    c = (c + d) & mask
    b ^= c
    b = (b | b << 32) >> 7 & mask
    return a, b, c, d
