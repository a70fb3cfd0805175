"""The secrets of all epochs, from one slot (docs/format.md, Key epochs)."""
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

import blake3
import key_slots
from aead import open_key
from errors import Damaged, WrongKey, require
from fields import Fields

FIRST, MOST_EPOCHS, MOST_SLOTS = 1, 4096, 4096
SEALED_KEY_BYTES = 48


class EpochSlot(NamedTuple):
    """Key epochs: a slot that gets the epoch's master key."""
    slot_id: bytes
    role: int
    seal_key: bytes
    verify_key: bytes
    ephemeral: bytes
    sealed: bytes


class Epoch(NamedTuple):
    """Key epochs: the record."""
    epoch: int
    full_bundle: bytes
    writers_bundle: bytes
    previous: bytes
    slots: tuple
    signature: bytes
    signed: bytes
    associated: bytes
    repository_id: bytes

    def is_signed_by(self, verify_key):
        return key_slots.is_signed(
            verify_key, self.signature,
            b'holdfast 2026 signed key epoch' + self.repository_id + self.signed)


def parse_epoch(record, repository_id):
    """Key epochs: the record."""
    fields = Fields(record, 'key epoch')
    epoch, _ = fields.u16(), fields.time()
    bundles = [fields.sized(most=key_slots.MOST_BUNDLE_BYTES) for _ in range(2)]
    previous = fields.bytes(SEALED_KEY_BYTES)
    slots = tuple(
        EpochSlot(fields.bytes(16), fields.one_of((key_slots.FULL, key_slots.WRITER), 'role'),
                  fields.bytes(32), fields.bytes(32), fields.bytes(32), fields.bytes(SEALED_KEY_BYTES))
        for _ in range(fields.varint(most=MOST_SLOTS)))
    signature = fields.bytes(64)
    fields.end()
    require(FIRST < epoch <= MOST_EPOCHS, 'key epoch %d' % epoch)
    ids = [slot.slot_id for slot in slots]
    require(all(a < b for a, b in zip(ids, ids[1:])), 'slots of an epoch are out of order')
    return Epoch(epoch, *bundles, previous, slots, signature, record[:-64],
                 repository_id + record[:10], repository_id)


def all_bundles(config, epochs, slot, secret):
    """Key epochs: the full bundle of each, the first one first. `epochs` are the later ones."""
    masters = {slot.epoch: key_slots.open_slot(slot, secret, config.repository_id)}
    if slot.role != key_slots.FULL:
        raise WrongKey('a write-only key cannot read')
    require(slot.epoch <= len(epochs) + 1, 'the epoch of the slot is missing')
    stored = {FIRST: config, **{epoch.epoch: epoch for epoch in epochs}}
    for number in range(slot.epoch, FIRST, -1):
        key = blake3.derive('holdfast 2026 previous master key', masters[number])
        masters[number - 1] = open_key(key, stored[number].previous, stored[number].associated)
    bundles = {number: key_slots.open_bundle(stored[number], master)
               for number, master in masters.items()}
    agreement_key = blake3.derive('holdfast 2026 key slot agreement key', key_slots.slot_key(slot, secret))
    for number in range(slot.epoch + 1, len(epochs) + 2):
        master = _open_for(stored[number], slot, agreement_key)
        bundles[number] = key_slots.open_bundle(stored[number], master)
    for epoch in epochs:
        require(epoch.is_signed_by(bundles[epoch.epoch - 1].verify_key()),
                'epoch %d is not signed by the one before it' % epoch.epoch)
    require(all(bundle[:3] == bundles[FIRST][:3] for bundle in bundles.values()),
            'an epoch has other keys for ids and names')
    return [bundles[number] for number in sorted(bundles)]


def _open_for(epoch, slot, agreement_key):
    """The epoch's master key."""
    own = [entry for entry in epoch.slots if entry.slot_id == slot.slot_id]
    if not own:
        raise WrongKey('the key was revoked')
    entry, = own
    require((entry.role, entry.seal_key, entry.verify_key) == (slot.role, slot.seal_key, slot.verify_key),
            'the epoch has another public key for the slot')
    try:
        shared = X25519PrivateKey.from_private_bytes(agreement_key).exchange(
            X25519PublicKey.from_public_bytes(entry.ephemeral))
    except ValueError as error:
        raise Damaged('the key agreement gives zeros') from error
    key = blake3.derive('holdfast 2026 master key for a slot', shared + entry.ephemeral + entry.seal_key)
    return open_key(key, entry.sealed, epoch.associated + entry.slot_id + bytes((entry.role,)))
