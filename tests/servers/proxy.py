"""A proxy in front of an HTTP server: counts requests, delays them, and lets some of them fail. On loopback.

As a program it is put between a client and a server until it is killed:

    proxy.py PORT_OF_SERVER [--port N] [--delay-ms N] [--log FILE]

It prints the port that it listens on.
"""

import argparse
import asyncio
import collections
import random
import threading

LIMIT = 1 << 20
UNAVAILABLE = (b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>come back later</Message></Error>')


class Cut(Exception):
    """The connection ends here."""


class Fault:
    """What may happen to a request; the kinds are drawn evenly."""

    KINDS = ('busy', 'cut before', 'cut request', 'cut answer', 'lose answer', 'stall', 'half listing')

    def __init__(self, share, seed, kinds=KINDS, stall_seconds=3):
        self.share, self.kinds, self.stall_seconds = share, kinds, stall_seconds
        self.random = random.Random(seed)

    def draw(self):
        return self.random.choice(self.kinds) if self.random.random() < self.share else None


class Head:
    """The first line and the header lines of a request or an answer."""

    def __init__(self, data):
        self.data = data
        lines = data.decode('latin-1').split('\r\n')
        self.first = lines[0].split(' ')
        self.headers = {name.strip().lower(): value.strip()
                        for name, _, value in (line.partition(':') for line in lines[1:] if line)}

    def length(self):
        return int(self.headers.get('content-length', '0'))

    def is_chunked(self):
        return 'chunked' in self.headers.get('transfer-encoding', '')


async def read_head(reader):
    try:
        return Head(await reader.readuntil(b'\r\n\r\n'))
    except asyncio.IncompleteReadError:
        raise Cut from None


async def relay(reader, writer, count):
    """Moves `count` bytes; without a writer they are thrown away."""
    while count > 0:
        data = await reader.read(min(count, LIMIT))
        if not data:
            raise Cut
        count -= len(data)
        if writer is not None:
            writer.write(data)
            await writer.drain()


async def relay_chunks(reader, writer):
    while True:
        line = await reader.readuntil(b'\r\n')
        writer.write(line)
        size = int(line.split(b';')[0], 16)
        await relay(reader, writer, size + 2)
        if size == 0:
            return


class Proxy:
    """Runs in a thread of its own, as a context. `counts` are requests by method, `requests` in all. `waits` is how many of
    them were sent one after the other at least: each after the answer to another."""

    def __init__(self, target_port, port=0, delay=0.0, fault=None, log=None):
        self.target_port, self.port, self.delay, self.fault, self.log = target_port, port, delay, fault, log
        self.counts = collections.Counter()
        self.faults = collections.Counter()
        self.waits = 0
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    @property
    def requests(self):
        return sum(self.counts.values())

    def reset(self):
        self.counts.clear()
        self.faults.clear()
        self.waits = 0

    def run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, '127.0.0.1', self.port, limit=LIMIT))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        # Their connections are closed while there is a loop.
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    async def serve(self, reader, writer):
        upstream = None
        try:
            while True:
                head = await read_head(reader)
                if upstream is None:
                    upstream = await asyncio.open_connection('127.0.0.1', self.target_port, limit=LIMIT)
                await self.exchange(head, reader, writer, *upstream)
        except (Cut, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            if upstream is not None:
                upstream[1].transport.abort()

    async def exchange(self, head, reader, writer, server_reader, server_writer):
        method = head.first[0]
        self.counts[method] += 1
        waits = self.waits + 1
        if self.log is not None:
            print(' '.join(head.first[:2]), head.headers.get('range', ''), head.length(), file=self.log, flush=True)
        if self.delay:
            await asyncio.sleep(self.delay)
        fault = self.fault.draw() if self.fault is not None else None
        if fault is not None:
            self.faults[fault] += 1
        if fault == 'stall':
            await asyncio.sleep(self.fault.stall_seconds)
        if fault in ('cut before', 'stall'):
            raise Cut
        if fault == 'busy':
            await relay(reader, None, head.length())
            body = b'' if method == 'HEAD' else UNAVAILABLE
            writer.write(b'HTTP/1.1 503 Slow Down\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
            await writer.drain()
            return
        server_writer.write(head.data)
        if fault == 'cut request':
            await relay(reader, server_writer, head.length() // 2)
            raise Cut
        await relay(reader, server_writer, head.length())
        if fault == 'half listing' and 'list-type=2' in head.first[1]:
            return await self.halve(writer, server_reader)
        await self.answer(method, fault, writer, server_reader)
        self.waits = max(self.waits, waits)

    async def halve(self, writer, server_reader):
        """Half of a listing, as if that were all of it."""
        answer = await read_head(server_reader)
        body = await server_reader.readexactly(answer.length())
        first, last = body.find(b'<Contents>'), body.rfind(b'</Contents>')
        half = body[:len(body) // 2] if first < 0 else body[:first] + body[last + len(b'</Contents>'):]
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(half) + half)
        await writer.drain()

    async def answer(self, method, fault, writer, server_reader):
        answer = await read_head(server_reader)
        if fault == 'lose answer':
            raise Cut
        writer.write(answer.data)
        if method == 'HEAD' or answer.first[1] in ('204', '304'):
            await writer.drain()
        elif answer.is_chunked():
            await relay_chunks(server_reader, writer)
        else:
            await relay(server_reader, writer, answer.length() // (2 if fault == 'cut answer' else 1))
        if fault == 'cut answer':
            raise Cut
        await writer.drain()


def main():
    parser = argparse.ArgumentParser(description='A proxy that counts, delays and logs requests.')
    parser.add_argument('target', type=int)
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--delay-ms', type=float, default=0)
    parser.add_argument('--log')
    options = parser.parse_args()
    log = open(options.log, 'w') if options.log else None
    with Proxy(options.target, options.port, options.delay_ms / 1000, log=log) as proxy:
        print(proxy.port, flush=True)
        proxy.thread.join()


if __name__ == '__main__':
    main()
