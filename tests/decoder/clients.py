"""Write-only clients and what they have signed (docs/format.md, Clients)."""
from typing import NamedTuple

from envelope import SEALED
from errors import require
from fields import Fields
from key_slots import is_signed

MOST_TEXT_BYTES = 4096
THE_EPOCH = bytes(16)


class Client(NamedTuple):
    """Clients: the record."""
    client_id: bytes
    label: bytes
    host: bytes
    verify_key: bytes
    removed: bool
    points: tuple


def parse_client(record):
    """Clients: the record."""
    fields = Fields(record, 'client')
    client_id, _ = fields.bytes(16), fields.time()
    label, host = (fields.sized(most=MOST_TEXT_BYTES) for _ in range(2))
    verify_key, flags = fields.bytes(32), fields.one_of((0, 1), 'flags')
    points = tuple(fields.bytes(16) for _ in range(fields.count(smallest=16)))
    fields.end()
    require(list(points) == sorted(set(points)), 'restore points of a client are out of order')
    return Client(client_id, label, host, verify_key, flags == 1, points)


class Clients:
    """All of them, and the keys of the epochs."""

    def __init__(self, epoch_verify_keys):
        self._epochs = epoch_verify_keys
        self._added, self._removed = {}, {}

    def add(self, stored, parts):
        """An object below clients/."""
        client = parse_client(stored.record())
        require(stored.header.key_mode != SEALED, 'a client was stored by a client')
        require(client.client_id.hex() == parts['slot'], 'the name is of another client')
        require(client.removed == (parts['state'] == 'removed'), 'the name has another state')
        (self._removed if client.removed else self._added)[client.client_id] = client

    def check_point(self, stored, host):
        """Clients: whether a restore point's maker may make it."""
        if stored.header.key_mode != SEALED:
            return
        signature = stored.table.signature
        require(signature is not None, 'a client has not signed its restore point')
        if signature.signer == THE_EPOCH:
            require(1 <= signature.epoch <= len(self._epochs), 'signed by an epoch that there is not')
            verify_key = self._epochs[signature.epoch - 1]
        else:
            require(signature.signer in self._added, 'signed by nobody knows whom')
            client = self._added[signature.signer]
            require(client.host in (b'', host), 'the client may not make restore points of this host')
            verify_key = client.verify_key
            removed = self._removed.get(signature.signer)
            require(removed is None or stored.header.object_id in removed.points,
                    'the client was removed before')
        require(is_signed(verify_key, signature.signature, stored.signed_message()),
                'the signature does not hold')
