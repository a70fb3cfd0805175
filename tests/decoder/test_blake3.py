"""BLAKE3 against Debian's b3sum, which is another implementation."""
import subprocess
import tempfile
import unittest

import blake3

KEY = bytes(range(100, 132))
CONTEXT = 'holdfast tests 2026 another implementation'
# Around the borders of blocks (64), chunks (1,024) and trees of chunks.
LENGTHS = (0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3072, 5121, 7168, 31744, 102400)


def message(length):
    return bytes(i * 7 % 251 for i in range(length))


def b3sum(*options, data):
    done = subprocess.run(['b3sum', '--no-names', *options], input=data, check=True,
                          stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


def b3sum_keyed(data):
    # The key comes by standard input, so the data must be a file.
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return b3sum('--keyed', file.name, data=KEY)


class Blake3(unittest.TestCase):
    def test_three_modes(self):
        for length in LENGTHS:
            data = message(length)
            self.assertEqual(blake3.digest(data).hex(), b3sum(data=data), length)
            self.assertEqual(blake3.keyed(KEY, data).hex(), b3sum_keyed(data), length)
            self.assertEqual(blake3.derive(CONTEXT, data).hex(),
                             b3sum('--derive-key', CONTEXT, data=data), length)

    def test_messages_of_all_lengths_side_by_side(self):
        messages = [message(length) for length in LENGTHS]
        self.assertEqual([value.hex() for value in blake3.keyed_many(KEY, messages)],
                         [b3sum_keyed(data) for data in messages])
