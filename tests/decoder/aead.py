"""Authenticated encryption (docs/format.md, Conventions: AEAD and nonce)."""
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from errors import Damaged

CIPHERS = {1: AESGCM, 2: ChaCha20Poly1305}


def open_sealed(cipher, number, sealed, associated):
    """The plaintext of what was sealed with nonce(number)."""
    try:
        return cipher.decrypt(struct.pack('<QI', number, 0), sealed, associated)
    except InvalidTag as error:
        raise Damaged('seal %d does not hold' % number) from error


def open_key(key, sealed, associated):
    """Keys and bundles of keys are sealed with AES-256-GCM and nonce(0)."""
    return open_sealed(AESGCM(key), 0, sealed, associated)
