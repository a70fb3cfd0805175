"""A fake of archive classes, in front of a real gateway: a proxy that adds the states of a thaw, and nothing else.

What it imitates is what Amazon documents of GLACIER and DEEP_ARCHIVE ("Restoring an archived object", RestoreObject,
HeadObject): an object that is put into one of them is frozen. HEAD and listings tell its class, GET and a copy answer 403
InvalidObjectState, POST ?restore answers 202, or 409 RestoreAlreadyInProgress while it is thawing, or 200 when it can be read,
and sets the end anew. A thaw takes `thaw_seconds`, whatever its tier; a day of a copy that can be read takes `day_seconds`.

What it does not: retrieval tiers that are refused, rates and prices, INTELLIGENT_TIERING, restores to other places,
classes by the rules of a life cycle, and classes that differ from version to version: state goes by the key. Signatures of
requests that it answers itself are not looked at. The gateway knows nothing of it: objects are in its usual class, so a
request that names a class, which is signed, is signed anew with the credentials of the tests.

As a program it is put between a client and a gateway until it is killed:

    fake_cold_tier.py PORT_OF_GATEWAY [--port N] [--thaw-seconds N] [--day-seconds N] [--log FILE]

with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; it prints the port that it listens on. The log has a line a request.
"""

import argparse
import collections
import datetime
import os
import re
import time
import urllib.parse

from proxy import Proxy, read_head, relay, relay_chunks
from s3_request import authorization

ARCHIVES = ('GLACIER', 'DEEP_ARCHIVE')
ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>'


class Archived:
    """An object in an archive class. `ready` and `end` are times; None: nobody has asked for it."""

    def __init__(self, storage_class):
        self.storage_class, self.ready, self.end = storage_class, None, None

    def is_readable(self, now):
        return self.ready is not None and self.ready <= now < self.end

    def is_thawing(self, now):
        return self.ready is not None and now < self.ready

    def headers(self, now):
        found = {'x-amz-storage-class': self.storage_class}
        if self.is_thawing(now):
            found['x-amz-restore'] = 'ongoing-request="true"'
        elif self.is_readable(now):
            # Whole seconds: never later than it is.
            end = datetime.datetime.fromtimestamp(int(self.end), datetime.timezone.utc)
            found['x-amz-restore'] = 'ongoing-request="false", expiry-date="%s"' % end.strftime('%a, %d %b %Y %H:%M:%S GMT')
        return found


class Asked(collections.namedtuple('Asked', 'key version tier days status')):
    """A request to restore, and what was answered."""


class FakeColdTier(Proxy):
    """`archived` is what is in an archive class, by 'BUCKET/KEY'; `asked` are the requests to restore; `refused` counts reads
    of frozen objects, `read` of others in an archive class; after `freezes_after` of these all copies expire."""

    def __init__(self, target_port, access_key, secret_key, thaw_seconds=1.0, day_seconds=86400.0, **options):
        super().__init__(target_port, **options)
        self.access_key, self.secret_key = access_key, secret_key
        self.thaw_seconds, self.day_seconds = thaw_seconds, day_seconds
        self.archived, self.uploads, self.asked = {}, {}, []
        self.refused, self.read = collections.Counter(), collections.Counter()
        self.freezes_after = None

    async def exchange(self, head, reader, writer, server_reader, server_writer):
        method, target = head.first[0], head.first[1]
        self.counts[method] += 1
        if self.log is not None:
            print(method, target, head.headers.get('range', ''), head.length(), file=self.log, flush=True)
        path, _, query_text = target.partition('?')
        query = dict(urllib.parse.parse_qsl(query_text, keep_blank_values=True))
        key = urllib.parse.unquote(path).lstrip('/')
        storage_class = head.headers.get('x-amz-storage-class')
        if method == 'POST' and 'restore' in query:
            return await self.restore(key, query, await reader.readexactly(head.length()), writer)
        source = urllib.parse.unquote(head.headers.get('x-amz-copy-source', '')).lstrip('/').partition('?')[0]
        for one in ([key] if method == 'GET' and query.keys() <= {'versionId', 'partNumber'} else []) + [source]:
            state = self.archived.get(one)
            if state is not None and not state.is_readable(time.time()):
                self.refused[one] += 1
                await relay(reader, None, head.length())
                return await self.say(writer, 403, ERROR % ('InvalidObjectState', 'The operation is not valid for the '
                                                            "object's storage class"))
            if state is not None:
                self.read[one] += 1
                if self.read.total() == self.freezes_after:
                    self.freeze()
        is_new = (method == 'PUT' and not query) or (method == 'POST' and 'uploads' in query)
        server_writer.write(self.sign_anew(head, target) if is_new and storage_class in ARCHIVES else head.data)
        await relay(reader, server_writer, head.length())
        await self.pass_on(method, key, query, storage_class if is_new else None, server_reader, writer)

    async def pass_on(self, method, key, query, storage_class, server_reader, writer):
        """The gateway's answer, with what this one adds."""
        answer = await read_head(server_reader)
        is_success = answer.first[1].startswith('2')
        is_listing = method == 'GET' and is_success and ('list-type' in query or 'versions' in query)
        if is_listing or (is_success and 'uploads' in query):
            body = await self.body_of(answer, server_reader)
            if is_listing:
                body = self.with_classes(key, body)
            else:
                self.uploads[re.search(rb'<UploadId>(.*?)</UploadId>', body).group(1).decode()] = storage_class
            return await self.say(writer, 200, body.decode(), answer.headers)
        # Before the client knows that it is there.
        if is_success:
            self.note(method, key, query, storage_class)
        state = self.archived.get(key)
        if state is not None and method in ('HEAD', 'GET') and is_success:
            lines = ''.join('%s: %s\r\n' % item for item in state.headers(time.time()).items())
            writer.write(answer.data[:-2] + lines.encode() + b'\r\n')
        else:
            writer.write(answer.data)
        if method != 'HEAD' and answer.first[1] not in ('204', '304'):
            if answer.is_chunked():
                await relay_chunks(server_reader, writer)
            else:
                await relay(server_reader, writer, answer.length())
        await writer.drain()

    def note(self, method, key, query, storage_class):
        if method == 'DELETE' and not query.keys() - {'versionId'}:
            self.archived.pop(key, None)
        if method == 'POST' and 'uploadId' in query:
            storage_class = self.uploads.pop(query['uploadId'], None)
        elif method != 'PUT' or query:
            return
        self.archived.pop(key, None)
        if storage_class in ARCHIVES:
            self.archived[key] = Archived(storage_class)

    async def restore(self, key, query, body, writer):
        state, now = self.archived.get(key), time.time()
        days = int((re.search(rb'<Days>(\d+)</Days>', body) or [0, 0])[1])
        tier = (re.search(rb'<Tier>(\w+)</Tier>', body) or [0, b''])[1].decode()
        if state is None:
            status, text = 403, ERROR % ('InvalidObjectState', 'Restore is not allowed for the object\'s current storage class')
        elif days == 0:
            status, text = 400, ERROR % ('MalformedXML', 'Days')
        elif state.is_thawing(now):
            status, text = 409, ERROR % ('RestoreAlreadyInProgress', 'Object restore is already in progress')
        else:
            is_readable = state.is_readable(now)
            status, text = (200, '') if is_readable else (202, '')
            state.ready = state.ready if is_readable else now + self.thaw_seconds
            state.end = max(now, state.ready) + days * self.day_seconds
        self.asked.append(Asked(key, query.get('versionId'), tier, days, status))
        await self.say(writer, status, text)

    def freeze(self):
        """As if all copies had expired."""
        for state in self.archived.values():
            state.ready = state.end = None

    def with_classes(self, bucket, body):
        """A listing with the classes of what is archived."""
        def of_entry(match):
            name = urllib.parse.unquote_plus(re.search(r'<Key>(.*?)</Key>', match.group()).group(1))
            state = self.archived.get(bucket.rstrip('/') + '/' + name)
            if state is None:
                return match.group()
            return re.sub('<StorageClass>.*?</StorageClass>', '<StorageClass>%s</StorageClass>' % state.storage_class,
                          match.group())
        return re.sub(r'<(Contents|Version)>.*?</\1>', of_entry, body.decode(), flags=re.DOTALL).encode()

    def sign_anew(self, head, target):
        """The request without its class."""
        path, _, query = target.partition('?')
        signed = {name: value for name, value in head.headers.items()
                  if name in ('host', 'content-md5', 'if-none-match') or
                  (name.startswith('x-amz-') and name != 'x-amz-storage-class')}
        query = '&'.join(sorted(one if '=' in one else one + '=' for one in query.split('&') if one))
        line = authorization(head.first[0], path, query, signed, self.access_key, self.secret_key,
                             re.search(r'Credential=[^/]+/\d+/([^/]+)/', head.headers['authorization']).group(1))
        kept = {name: value for name, value in head.headers.items() if name not in ('x-amz-storage-class', 'authorization')}
        kept['Authorization'] = line
        return ('%s\r\n' % ' '.join(head.first) + ''.join('%s: %s\r\n' % item for item in kept.items()) + '\r\n').encode('latin-1')

    async def body_of(self, answer, server_reader):
        if not answer.is_chunked():
            return await server_reader.readexactly(answer.length())
        body = b''
        while True:
            size = int((await server_reader.readuntil(b'\r\n')).split(b';')[0], 16)
            piece = await server_reader.readexactly(size + 2)
            if size == 0:
                return body
            body += piece[:-2]

    async def say(self, writer, status, text, more=None):
        body = text.encode()
        lines = ''.join('%s: %s\r\n' % (name, value) for name, value in (more or {}).items()
                        if name not in ('content-length', 'transfer-encoding'))
        writer.write(b'HTTP/1.1 %d Answer\r\nContent-Length: %d\r\n%s\r\n' % (status, len(body), lines.encode('latin-1')) + body)
        await writer.drain()


def main():
    parser = argparse.ArgumentParser(description='A fake of archive classes in front of an S3 gateway.')
    parser.add_argument('target', type=int)
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--thaw-seconds', type=float, default=1)
    parser.add_argument('--day-seconds', type=float, default=86400)
    parser.add_argument('--log')
    options = parser.parse_args()
    log = open(options.log, 'w') if options.log else None
    with FakeColdTier(options.target, os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'],
                      options.thaw_seconds, options.day_seconds, port=options.port, log=log) as fake:
        print(fake.port, flush=True)
        fake.thread.join()


if __name__ == '__main__':
    main()
