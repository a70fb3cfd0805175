"""From a key file to the keys of a repository (docs/format.md, Key slots and Config)."""
import hmac
import re
from typing import NamedTuple

import argon2.low_level
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import blake3
from aead import open_key
from errors import Damaged, WrongKey, require
from fields import Fields

KEY_FILE, PASSPHRASE, RECOVERY_KEY = 1, 2, 3
FULL, WRITER = 1, 2
SLOT_ID_CONTEXTS = {KEY_FILE: 'holdfast 2026 key file slot id',
                    RECOVERY_KEY: 'holdfast 2026 recovery key slot id'}
MOST_PASSES = 64
MOST_MEMORY_KIB = 4 << 20
MOST_BUNDLE_BYTES = 4096
MOST_LABEL_BYTES = 4096
ARGON2_VERSION = 0x13


class KeyFile(NamedTuple):
    """What a key file or a recovery key gives."""
    type: int
    secret: bytes
    repository_id: bytes   # empty for a recovery key, which does not say

    def slot_id(self):
        """Key slots: computed, so that no listing is needed."""
        return blake3.derive(SLOT_ID_CONTEXTS[self.type], self.secret)[:16]


def parse_key_file(data):
    """Key slots, Key file and Recovery key."""
    line = data.split(b'\n', 1)[0]
    if line.startswith(b'HFRK'):
        return _parse_recovery_key(line)
    match = re.fullmatch(rb'holdfast-key-1 ([0-9a-f]{32}) ([0-9a-f]{64})', line)
    if not match:
        raise WrongKey('this is not a key file')
    repository_id, secret = (bytes.fromhex(part.decode()) for part in match.groups())
    return KeyFile(KEY_FILE, secret, repository_id)


def _parse_recovery_key(line):
    digits = re.sub(rb'[-\s]', b'', line[len(b'HFRK'):]).lower()
    if not re.fullmatch(rb'[0-9a-f]{68}', digits):
        raise WrongKey('a recovery key has 68 digits')
    key = bytes.fromhex(digits.decode())
    secret, check = key[:32], key[32:]
    if blake3.digest(secret)[:2] != check:
        raise WrongKey('a digit of the recovery key is wrong')
    return KeyFile(RECOVERY_KEY, secret, b'')


def parse_passphrase_file(data):
    """Key slots, Passphrase: the first line without its end."""
    return re.split(rb'\r?\n', data, maxsplit=1)[0]


class Slot(NamedTuple):
    """Key slots: the record."""
    slot_id: bytes
    type: int
    role: int
    created: int
    label: bytes
    passes: int
    memory_kib: int
    salt: bytes
    commitment: bytes
    sealed: bytes
    epoch: int = 1
    seal_key: bytes = b''
    verify_key: bytes = b''
    host: bytes = b''
    signature: bytes = b''
    signed: bytes = b''

    def is_signed_by(self, verify_key, repository_id):
        """Key slots: the signature of its epoch."""
        return is_signed(verify_key, self.signature,
                         b'holdfast 2026 signed key slot' + repository_id + self.signed + bytes(64))


def is_signed(verify_key, signature, message):
    """Ed25519."""
    try:
        Ed25519PublicKey.from_public_bytes(verify_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_slot(record):
    """Key slots: the record."""
    fields = Fields(record, 'key slot')
    slot = Slot(fields.bytes(16), fields.one_of((KEY_FILE, PASSPHRASE, RECOVERY_KEY), 'type'),
                fields.one_of((FULL, WRITER), 'role'), fields.time(),
                fields.sized(most=MOST_LABEL_BYTES), fields.u32(), fields.u32(), fields.bytes(16),
                fields.bytes(32), fields.sized())
    if fields.remaining():
        slot = slot._replace(epoch=fields.u16(), seal_key=fields.bytes(32), verify_key=fields.bytes(32),
                             host=fields.bytes(16), signature=fields.bytes(64), signed=record[:-64])
        require(slot.epoch > 0, 'a slot of epoch 0')
    fields.end()
    require(len(slot.sealed) == 48, 'a sealed master key has %d bytes' % len(slot.sealed))
    return slot


def stretch(slot, passphrase):
    """Key slots: the secret of a passphrase slot, by Argon2id."""
    require(slot.passes <= MOST_PASSES and slot.memory_kib <= MOST_MEMORY_KIB,
            'a passphrase slot asks for too much work')
    return argon2.low_level.hash_secret_raw(
        passphrase, slot.salt, time_cost=slot.passes, memory_cost=slot.memory_kib, parallelism=1,
        hash_len=32, type=argon2.low_level.Type.ID, version=ARGON2_VERSION)


def slot_key(slot, secret):
    """Key slots: K, from which the slot's other secrets are derived."""
    return blake3.derive('holdfast 2026 key slot', secret + slot.slot_id)


def open_slot(slot, secret, repository_id):
    """Key slots: the master key, or WrongKey when the commitment is of another secret."""
    key = slot_key(slot, secret)
    committing = blake3.derive('holdfast 2026 key slot commitment', key)
    if not hmac.compare_digest(blake3.keyed(committing, b''), slot.commitment):
        raise WrongKey('the key does not open its slot')
    return open_key(key, slot.sealed,
                    repository_id + slot.slot_id + bytes((slot.type, slot.role)))


class Bundle(NamedTuple):
    """Config: the keys in the full bundle; a writers' bundle has the first four, and
    the verify key."""
    hash_key: bytes
    chunker_key: bytes
    name_key: bytes
    seal_key: bytes
    writers_master_key: bytes
    wrapping_key: bytes
    agreement_key: bytes

    def verify_key(self):
        """Config: the public half of the epoch's signing key."""
        seed = blake3.derive('holdfast 2026 epoch signing key', self.wrapping_key)
        return raw_public(Ed25519PrivateKey.from_private_bytes(seed))


def raw_public(private_key):
    return private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Config(NamedTuple):
    """Config: the record."""
    repository_id: bytes
    associated: bytes
    full_bundle: bytes
    writers_bundle: bytes

    def has_signing_clients(self):
        """Config: a writers' bundle without key 8 is of a program before there were epochs."""
        return len(self.writers_bundle) > 144


def parse_config(record):
    """Config: the record; chunk sizes are for writers, and only checked."""
    fields = Fields(record, 'config')
    repository_id, _ = fields.bytes(16), fields.time()
    sizes = [fields.u32() for _ in range(3)]
    config = Config(repository_id, record[:36], fields.sized(most=MOST_BUNDLE_BYTES),
                    fields.sized(most=MOST_BUNDLE_BYTES))
    if fields.remaining():
        flags = fields.one_of((1, 2, 3), 'flags of the configuration')
        if flags & 2:
            fields.one_of((1, 2), 'lock mode')
            require(fields.time() > 0 and fields.time() > 0, 'times of locks')
    fields.end()
    smallest, average, largest = sizes
    require(all(size & (size - 1) == 0 for size in sizes) and 1 << 14 <= smallest < average
            < largest <= 1 << 24 and average >= 1 << 16, 'chunk sizes that cannot be')
    return config


def open_bundle(stored, master_key):
    """Config, Key epochs: the full bundle. The writers' bundle must open with it and say the same."""
    bundle = Bundle(*_open_keys('holdfast 2026 full bundle', master_key, stored.full_bundle,
                                stored.associated))
    writers = _open_keys('holdfast 2026 writer bundle', bundle.writers_master_key,
                         stored.writers_bundle, stored.associated)
    require(tuple(writers[:4]) == bundle[:4], 'the writers\' bundle has other keys')
    require(len(writers) == 4 or writers[4:] == [bundle.verify_key()],
            'the writers\' bundle has another verify key')
    agreement = X25519PrivateKey.from_private_bytes(bundle.agreement_key)
    require(raw_public(agreement) == bundle.seal_key,
            'the agreement key is not the secret half of the seal key')
    return bundle


def _open_keys(context, master_key, sealed, associated):
    plaintext = open_key(blake3.derive(context, master_key), sealed, associated)
    if len(plaintext) not in (128, 160, 224):
        raise Damaged('a bundle has %d bytes' % len(plaintext))
    return [plaintext[at:at + 32] for at in range(0, len(plaintext), 32)]
