"""The keys of objects that a full key can read (docs/format.md, Keys of objects)."""
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

import blake3
from aead import open_key
from envelope import SYMMETRIC
from errors import Damaged, WrongKey


class ObjectKeys:
    """Finds an object's key with the keys of all epochs and what the object's header says."""

    def __init__(self, bundles):
        self._epochs = [EpochKeys(bundle) for bundle in bundles]

    def of(self, header):
        """The object's key, compared with the commitment in its header."""
        if not 1 <= header.epoch <= len(self._epochs):
            raise WrongKey('key epoch %d' % header.epoch)
        return self._epochs[header.epoch - 1].of(header)


class EpochKeys:
    """The same of one epoch."""

    def __init__(self, bundle):
        self._symmetric = blake3.derive('holdfast 2026 object key', bundle.wrapping_key)
        self._agreement = X25519PrivateKey.from_private_bytes(bundle.agreement_key)
        self._seal_key = bundle.seal_key

    def of(self, header):
        """The object's key, compared with the commitment in its header."""
        if header.key_mode == SYMMETRIC:
            key = blake3.keyed(self._symmetric, header.object_id)
        else:
            key = self._unseal(header)
        committing = blake3.derive('holdfast 2026 key commitment', key)
        commitment = blake3.keyed(committing, header.object_id)
        if not hmac.compare_digest(commitment, header.key_block[-32:]):
            raise WrongKey('the key does not match the commitment in the header')
        return key

    def _unseal(self, header):
        ephemeral, sealed = header.key_block[:32], header.key_block[32:80]
        try:
            shared = self._agreement.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        except ValueError as error:
            raise Damaged('the key agreement gives zeros') from error
        key = blake3.derive('holdfast 2026 sealed object key', shared + ephemeral + self._seal_key)
        return open_key(key, sealed, header.object_id)
