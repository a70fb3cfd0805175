"""The worked example of docs/format.md, read out of the page itself."""
import os
import re
import unittest

import blake3
import key_slots
from chunks import ChunkIds
from envelope import SLOT, SYMMETRIC, Header, StoredObject
from errors import Refused
from object_keys import ObjectKeys

HERE = os.path.dirname(os.path.abspath(__file__))
FORMAT = os.path.join(HERE, '..', '..', 'docs', 'format.md')
OBJECT_ID = 'd1d8a1671381ff8639b77319cd3a3d1d'


def worked_example():
    with open(FORMAT, encoding='utf-8') as file:
        return file.read().split('## Worked example', 1)[1]


def dumped_bytes(page):
    """The bytes of the hex dump; two blanks or more end those of a line."""
    lines = re.findall(r'^[0-9a-f]{4}  ((?:[0-9a-f]{2} {1,2})*[0-9a-f]{2})(?:  |$)', page, re.M)
    return bytes.fromhex(''.join(lines))


def values(page):
    """The table of values to test with; code marks are left out of the names."""
    rows = re.findall(r'^\| (.+) \| `([0-9a-f]+)` \|$', page, re.M)
    return {name.replace('`', ''): bytes.fromhex(value) for name, value in rows}


class WorkedExample(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        page = worked_example()
        cls.values = values(page)
        cls.key_file = key_slots.parse_key_file(re.search(r'holdfast-key-1 .*', page)[0].encode())
        cls.object = dumped_bytes(page)
        cls.slot = key_slots.parse_slot(StoredObject(cls.object, SLOT).record())

    def test_key_slot(self):
        self.assertEqual(len(self.object), 347)
        self.assertEqual(self.slot.slot_id, self.key_file.slot_id())
        self.assertEqual(blake3.derive('holdfast 2026 key slot',
                                       self.key_file.secret + self.slot.slot_id),
                         self.values['slot key K'])

    def test_a_wrong_bit_in_any_byte_is_refused(self):
        for byte in range(len(self.object)):
            flipped = bytearray(self.object)
            flipped[byte] ^= 1 << byte % 8
            with self.assertRaises(Refused, msg=byte):
                StoredObject(bytes(flipped), SLOT)

    def test_master_key(self):
        master_key = key_slots.open_slot(self.slot, self.key_file.secret,
                                         self.key_file.repository_id)
        self.assertEqual(master_key, self.values['master key'])

    def test_object_key_and_its_commitment(self):
        bundle = key_slots.Bundle(*[bytes(32)] * 5, self.values['wrapping key'], bytes(32))
        header = Header(kind=0, aead=1, repository_id=b'', object_id=bytes.fromhex(OBJECT_ID),
                        key_mode=SYMMETRIC, epoch=1, key_block=self.values['its commitment'])
        self.assertEqual(ObjectKeys([bundle]).of(header),
                         self.values['key of the object ' + OBJECT_ID])

    def test_source_id(self):
        hashed = blake3.keyed(self.values['name key'], b'\x06golden\x04tree')
        self.assertEqual(hashed[:8], self.values['source id of host golden, name tree'])

    def test_member_hash_and_chunk_id(self):
        ids = ChunkIds(self.values['hash key'])
        hashes = ids.member_hashes([b'abc'])
        self.assertEqual(hashes, [self.values['member hash of abc']])
        self.assertEqual(ids.chunk_id(1, [3], hashes),
                         self.values['id of a data chunk whose one member is abc'])
