"""Fields of records, tables and nodes in their order (docs/format.md, Conventions)."""
from errors import require

MOST_BITS = 64
WRAP = 1 << MOST_BITS


def signed(number):
    """Conventions, time: a u64 that holds a signed number."""
    return number - WRAP if number >= WRAP // 2 else number


class Fields:
    """Takes fields off the front of `data`; what is cut short or left over is damage."""

    def __init__(self, data, what):
        self._data = data
        self._at = 0
        self._what = what

    def _require(self, condition, problem):
        require(condition, '%s: %s' % (self._what, problem))

    def remaining(self):
        return len(self._data) - self._at

    def bytes(self, count):
        self._require(count <= self.remaining(), 'ends too early')
        self._at += count
        return self._data[self._at - count:self._at]

    def rest(self):
        return self.bytes(self.remaining())

    def end(self):
        """Conventions: bytes that are left over are damage."""
        self._require(self.remaining() == 0, '%d bytes are left over' % self.remaining())

    def _integer(self, size):
        return int.from_bytes(self.bytes(size), 'little')

    def u8(self):
        return self._integer(1)

    def u16(self):
        return self._integer(2)

    def u32(self):
        return self._integer(4)

    def u64(self):
        return self._integer(8)

    def time(self):
        return signed(self.u64())

    def varint(self, most=WRAP - 1):
        """Conventions, varint: at most 64 bits; longer forms than needed are read."""
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            self._require(shift < MOST_BITS, 'a varint has more than ten bytes')
        self._require(value <= most, '%d is more than %d' % (value, most))
        return value

    def signed_varint(self):
        """Conventions, signed varint: the zigzag form."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def count(self, smallest):
        """Limits: a count of things that take at least `smallest` bytes each."""
        return self.varint(most=self.remaining() // smallest)

    def sized(self, most=WRAP):
        size = self.varint()
        self._require(size <= most, 'a field has %d bytes, more than %d' % (size, most))
        return self.bytes(size)

    def one_of(self, values, name):
        """A u8 of which only these values are known."""
        value = self.u8()
        self._require(value in values, 'unknown %s %d' % (name, value))
        return value
