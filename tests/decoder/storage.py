"""A repository in a local directory: names of objects and their bytes (docs/format.md, Objects)."""
import os
import re

from envelope import (ATTESTATION, CLIENT, CONFIG, DATA_PACK, EPOCH, FENCE, FRAGMENT, LEASE, MARK, META_PACK, POINT, SLOT,
                      TOMBSTONE)

ID, SHORT_ID = '[0-9a-f]{32}', '[0-9a-f]{16}'
NAMES = [
    (CONFIG, r'config(\.2)?'),
    (SLOT, r'keys/(?P<slot>%s)(\.2)?' % ID),
    (EPOCH, r'epochs/(?P<epoch>[0-9a-f]{4})(\.2)?'),
    (CLIENT, r'clients/(?P<slot>%s)/(?P<state>added|removed)' % ID),
    (DATA_PACK, r'data/(?P<session>%s)/(?P<object>%s)' % (SHORT_ID, ID)),
    (META_PACK, r'meta/(?P<session>%s)/(?P<object>%s)' % (SHORT_ID, ID)),
    (FRAGMENT, r'index/(?P<tier>[0-9a-f]{2})-(?P<object>%s)' % ID),
    (POINT, r'points/(?P<source>%s)/(?P<inverted>%s)-(?P<object>%s)' % (SHORT_ID, SHORT_ID, ID)),
    (LEASE, r'leases/(?P<session>%s)-(?P<renewal>[0-9]+)' % SHORT_ID),
    (FENCE, r'fences/(?P<session>%s)' % SHORT_ID),
    (TOMBSTONE, r'tombstones/(?P<object>%s)' % ID),
    (MARK, r'marks/(?P<point>%s)/(?P<mark>deleted|held|verified|incomplete)' % ID),
    (ATTESTATION, r'attestations/(?P<object>%s)' % ID),
]


def parse_name(name):
    """Objects: the kind and the parts of a name, or None for one that a reader skips."""
    for kind, form in NAMES:
        if match := re.fullmatch(form, name):
            return kind, match.groupdict()
    return None


class Storage:
    """Reads objects by name."""

    def __init__(self, directory):
        self._directory = directory

    def _path(self, name):
        return os.path.join(self._directory, name)

    def exists(self, name):
        return os.path.isfile(self._path(name))

    def read(self, name):
        with open(self._path(name), 'rb') as file:
            return file.read()

    def read_range(self, name, offset, size):
        with open(self._path(name), 'rb') as file:
            file.seek(offset)
            return file.read(size)

    def objects(self):
        """(name, kind, parts) of every object, sorted by name."""
        names = sorted(os.path.relpath(os.path.join(directory, file), self._directory)
                       for directory, _, files in os.walk(self._directory) for file in files)
        for name in names:
            if parsed := parse_name(name):
                yield name, *parsed
