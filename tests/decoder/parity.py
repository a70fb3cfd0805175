"""Parity: whether what stands behind a body is what docs/format.md says."""
import functools
import struct

import blake3
from errors import require

REED_SOLOMON = 1
CELL_BYTES = 4096
MOST_DATA_SLICES = 247
MOST_PARITY_SLICES = 8
CRC_32C = 0x82F63B78
FIELD = 0x11d


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ CRC_32C * (value & 1)
        table.append(value)
    return table


CRC_TABLE = crc_table()


@functools.lru_cache(maxsize=1 << 14)
def crc_32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def product(left, right):
    result = 0
    while right:
        if right & 1:
            result ^= left
        left = left << 1 ^ FIELD * (left >> 7)
        right >>= 1
    return result


@functools.lru_cache(maxsize=None)
def coefficient(parity_slice, data_slice):
    divisor = data_slice ^ (255 - parity_slice)
    return next(value for value in range(1, 256) if product(value, divisor) == 1)


@functools.lru_cache(maxsize=None)
def multiples(factor):
    return bytes(product(factor, value) for value in range(256))


def slices_of(data, size):
    return [data[at:at + size].ljust(size, b'\0') for at in range(0, len(data), size)]


def cells_of(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


@functools.lru_cache(maxsize=64)
def parity_slices(body, count, slice_bytes):
    result = []
    for j in range(count):
        total = 0
        for i, data in enumerate(slices_of(body, slice_bytes)):
            total ^= int.from_bytes(data.translate(multiples(coefficient(j, i))), 'little')
        result.append(total.to_bytes(slice_bytes, 'little'))
    return result


def summary_of(body, slices, slice_bytes):
    cell_bytes = min(slice_bytes, CELL_BYTES)
    checksums = b''.join(struct.pack('<I', crc_32c(cell)) for data in [body] + slices
                         for cell in cells_of(data, cell_bytes))
    return checksums + blake3.digest(checksums)[:8]


def check_parity(body, extra, tail, layout):
    """`layout`: scheme, data slices, parity slices, slice bytes."""
    scheme, data_count, parity_count, slice_bytes = layout
    if scheme == 0:
        require(layout == (0, 0, 0, 0), 'a layout of no parity')
        return
    if scheme != REED_SOLOMON:
        return
    require(1 <= parity_count <= MOST_PARITY_SLICES and slice_bytes > 0, 'the layout of the parity')
    require(slice_bytes <= CELL_BYTES or slice_bytes % CELL_BYTES == 0, 'the size of a slice')
    require(data_count == -(-len(body) // slice_bytes) <= MOST_DATA_SLICES, 'the number of slices')
    slices = parity_slices(body, parity_count, slice_bytes)
    summary = summary_of(body, slices, slice_bytes)
    require(extra == summary + tail + b''.join(slices) + summary, 'the parity is not the body\'s')
