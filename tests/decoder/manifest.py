"""Manifests: nodes, entries and content (docs/format.md, Nodes, Entries and Content)."""
from dataclasses import dataclass
from typing import NamedTuple

from envelope import DATA, NODE
from errors import require
from fields import WRAP, Fields, signed

MIB = 1 << 20
DIRECTORY_LEAF, DIRECTORY_INNER, EXTENT_LEAF, EXTENT_INNER = 1, 2, 3, 4
FILE, DIRECTORY, SYMLINK, FIFO, SOCKET, CHARACTER_DEVICE, BLOCK_DEVICE = range(1, 8)
# Bits of `first`
SAME_MODE, SAME_OWNER, SAME_MTIME, HAS_MORE, MTIME_IS_CTIME = 8, 16, 32, 64, 128
# Bits of `more`
HAS_XATTRS, HAS_ATTRIBUTES, HARD_LINK, HAS_FILE_SYSTEM, HAS_DEVICE = 1, 2, 4, 8, 16
NONE, INLINE, CONTINUED, NEXT, RUNS, EXTENT_TREE, INLINED_DIRECTORY, DIRECTORY_TREE = range(8)
DATA_RUN, HOLE, ZEROS = range(3)
MOST_INLINE_BYTES = 512
MOST_RUN_BYTES = 16 * MIB
MOST_FILE_BYTES = (1 << 63) - 1
MOST_NAME_BYTES = 4096
MOST_TARGET_BYTES = 65536
MOST_DEPTH = 64
MOST_HEIGHT = 32
MOST_U32 = (1 << 32) - 1
SMALLEST_ENTRY_BYTES = 6


class Run(NamedTuple):
    """Content: bytes of one kind; chunk and offset are those of data."""
    kind: int
    size: int
    chunk_id: bytes = b''
    offset: int = 0


class Tree(NamedTuple):
    """The root of a directory's or a file's tree, in a chunk of its own."""
    root_id: bytes


@dataclass
class Entry:
    """Entries."""
    name: bytes
    type: int
    mode: int
    uid: int
    gid: int
    ctime: int
    mtime: int
    inode: int
    file_system: int
    device: int
    attributes: int
    xattrs: dict
    hard_link: bool
    target: bytes = b''
    size: int = 0
    # Of a file: bytes, a list of runs, or a Tree. Of a directory: a list of entries, or a Tree.
    content: object = None

    def device_numbers(self):
        """Entries, Fields: major and minor out of st_rdev."""
        major = self.device >> 8 & 0xFFF | self.device >> 32 & ~0xFFF
        minor = self.device & 0xFF | self.device >> 12 & 0xFFFFFF00
        return major, minor


def check_name(name):
    """Entries: what a name may be."""
    require(0 < len(name) <= MOST_NAME_BYTES and name not in (b'.', b'..')
            and b'/' not in name and b'\0' not in name, 'an entry has the name %r' % name)


def check_ascending(names):
    require(all(low < high for low, high in zip(names, names[1:])), 'names do not ascend')


class References:
    """Nodes, chunk table, and Content, the three values that codes and runs refer to."""

    def __init__(self, fields, chunks):
        self._ids = [fields.bytes(32) for _ in range(fields.count(smallest=32))]
        self._chunks = chunks
        self._last_chunk = 0
        self._next_chunk = 0
        self._last_ends = {}

    def _id(self, number):
        require(number < len(self._ids), 'chunk %d is not in the chunk table' % number)
        return self._ids[number]

    def continued(self, size):
        return self._data(self._last_chunk, self._last_ends.get(self._last_chunk, 0), size)

    def next(self, size):
        return self._data(self._next_chunk, 0, size)

    def runs(self, fields):
        """Content: the runs of an entry or of an extent leaf."""
        runs = [self._run(fields) for _ in range(fields.count(smallest=1))]
        require(sum(run.size for run in runs) <= MOST_FILE_BYTES, 'runs are too long')
        return runs

    def _run(self, fields):
        sized_kind = fields.varint()
        size, kind = sized_kind >> 2, sized_kind & 3
        require(size > 0, 'an empty run')
        require(kind in (DATA_RUN, HOLE, ZEROS), 'unknown run kind %d' % kind)
        if kind != DATA_RUN:
            return Run(kind, size)
        number = (self._last_chunk + fields.signed_varint()) % WRAP
        offset = (self._last_ends.get(number, 0) + fields.signed_varint()) % WRAP
        return self._data(number, offset, size)

    def _data(self, number, offset, size):
        chunk_id = self._id(number)
        require(0 < size <= MOST_RUN_BYTES, 'a run of %d bytes' % size)
        require(offset + size <= self._chunks.raw_bytes(chunk_id), 'a run ends beyond its chunk')
        self._last_chunk = number
        self._last_ends[number] = offset + size
        self._next_chunk = max(self._next_chunk, number + 1)
        return Run(DATA_RUN, size, chunk_id, offset)

    def tree(self, fields):
        number = fields.varint()
        tree = Tree(self._id(number))
        self._next_chunk = max(self._next_chunk, number + 1)
        return tree


class DirectoryLeaf:
    """Entries: one leaf, in the order of its bytes; previous values belong to the leaf."""

    def __init__(self, fields, chunks):
        self._fields = fields
        self._references = References(fields, chunks)
        self._directory_mode, self._other_mode = 0o755, 0o644
        self._uid = self._gid = 0
        self._ctime = self._mtime = self._inode = 0
        self.entries = self._entries(depth=0)
        fields.end()

    def _entries(self, depth):
        require(depth <= MOST_DEPTH, 'inlined directories nest too deep')
        entries, name = [], b''
        for _ in range(self._fields.count(SMALLEST_ENTRY_BYTES)):
            entries.append(self._entry(name, depth))
            name = entries[-1].name
        check_ascending([entry.name for entry in entries])
        return entries

    def _entry(self, previous_name, depth):
        fields = self._fields
        shared = fields.varint(most=len(previous_name))
        name = previous_name[:shared] + fields.sized(most=MOST_NAME_BYTES)
        check_name(name)
        first = fields.u8()
        more = fields.u8() if first & HAS_MORE else 0
        require(FILE <= first & 7, 'unknown entry type')
        require(more < 32, 'unknown bits of `more`')
        entry = Entry(name, first & 7, self._mode(first), *self._owner(first), *self._times(first),
                      self._next_inode(), **self._optional_fields(more))
        if entry.type == SYMLINK:
            entry.target = fields.sized(most=MOST_TARGET_BYTES)
        if entry.type == FILE:
            entry.size = fields.varint(most=MOST_FILE_BYTES)
        if entry.type in (FILE, DIRECTORY):
            entry.content = self._content(entry, depth)
        return entry

    def _mode(self, first):
        """Previous values: directories have a previous mode of their own."""
        sort = '_directory_mode' if first & 7 == DIRECTORY else '_other_mode'
        if not first & SAME_MODE:
            setattr(self, sort, self._fields.varint(most=0o7777))
        return getattr(self, sort)

    def _owner(self, first):
        if not first & SAME_OWNER:
            self._uid = self._fields.varint(most=MOST_U32)
            self._gid = self._fields.varint(most=MOST_U32)
        return self._uid, self._gid

    def _times(self, first):
        """ctime and mtime; kept as they are added up, modulo 2^64."""
        self._ctime = (self._ctime + self._fields.signed_varint()) % WRAP
        if first & MTIME_IS_CTIME:
            self._mtime = self._ctime
        elif not first & SAME_MTIME:
            self._mtime = (self._mtime + self._fields.signed_varint()) % WRAP
        return signed(self._ctime), signed(self._mtime)

    def _next_inode(self):
        self._inode = (self._inode + self._fields.signed_varint()) % WRAP
        return self._inode

    def _optional_fields(self, more):
        """Entries: what `more` announces, in the order of the bytes."""
        fields = self._fields
        return {'file_system': fields.varint(most=MOST_U32) if more & HAS_FILE_SYSTEM else 0,
                'device': fields.varint() if more & HAS_DEVICE else 0,
                'attributes': fields.varint(most=MOST_U32) if more & HAS_ATTRIBUTES else 0,
                'xattrs': self._xattrs() if more & HAS_XATTRS else {},
                'hard_link': bool(more & HARD_LINK)}

    def _xattrs(self):
        fields = self._fields
        pairs = [(fields.sized(most=MOST_NAME_BYTES), fields.sized())
                 for _ in range(fields.count(smallest=3))]
        names = [name for name, _ in pairs]
        require(all(name and b'\0' not in name for name in names), 'name of an attribute')
        check_ascending(names)
        return dict(pairs)

    def _content(self, entry, depth):
        """Content: the codes."""
        code = self._fields.u8()
        if entry.type == DIRECTORY:
            return self._directory_content(code, depth)
        content = self._file_content(code, entry.size)
        if isinstance(content, list):
            require(sum(run.size for run in content) == entry.size, 'runs do not fill the file')
        return content

    def _directory_content(self, code, depth):
        if code == NONE:
            return []
        if code == INLINED_DIRECTORY:
            return self._entries(depth + 1)
        require(code == DIRECTORY_TREE, 'a directory has content code %d' % code)
        return self._references.tree(self._fields)

    def _file_content(self, code, size):
        if code == NONE:
            return []
        if code == INLINE:
            require(size <= MOST_INLINE_BYTES, 'inline content of %d bytes' % size)
            return self._fields.bytes(size)
        if code == CONTINUED:
            return [self._references.continued(size)]
        if code == NEXT:
            return [self._references.next(size)]
        if code == RUNS:
            return self._references.runs(self._fields)
        require(code == EXTENT_TREE, 'a file has content code %d' % code)
        return self._references.tree(self._fields)


class Inner(NamedTuple):
    """Nodes, inner nodes: children with what is said of each."""
    height: int
    child_ids: list
    labels: list    # greatest names, or bytes of content


def parse_inner(fields, parent_height, read_label):
    """Nodes, inner nodes; `read_label` reads what is said of a child."""
    height = fields.u8()
    require(1 <= height < parent_height, 'an inner node of height %d' % height)
    count = fields.count(smallest=33)
    require(count > 0, 'an inner node without children')
    inner = Inner(height, [fields.bytes(32) for _ in range(count)],
                  [read_label(fields) for _ in range(count)])
    fields.end()
    return inner


def _greatest_name(fields):
    name = fields.sized(most=MOST_NAME_BYTES)
    check_name(name)
    return name


def _content_bytes(fields):
    size = fields.varint(most=MOST_FILE_BYTES)
    require(size > 0, 'an extent child of no bytes')
    return size


def parse_root(leaf, chunks):
    """Restore points: the one entry of a directory leaf that stands in the record."""
    fields = Fields(leaf, 'root')
    require(fields.u8() == DIRECTORY_LEAF, 'the root is not a directory leaf')
    entries = DirectoryLeaf(fields, chunks).entries
    require(len(entries) == 1, 'the root has %d entries' % len(entries))
    return entries[0]


class Manifest:
    """The tree below a restore point's root entry."""

    def __init__(self, root, chunks):
        self._root = root
        self._chunks = chunks

    def walk(self):
        """(path, entry) of everything, a directory before what it holds. The root's path is empty,
        a lone file's is its name."""
        waiting = [(b'' if self._root.type == DIRECTORY else self._root.name, self._root)]
        while waiting:
            path, entry = waiting.pop()
            yield path, entry
            if entry.type == DIRECTORY:
                waiting += [(path + b'/' + child.name if path else child.name, child)
                            for child in reversed(self._children(entry))]

    def _children(self, directory):
        if isinstance(directory.content, Tree):
            return list(self._tree_entries(directory.content.root_id, MOST_HEIGHT + 1, b'', None))
        return directory.content

    def _node(self, node_id):
        fields = Fields(self._chunks.content(node_id, NODE), 'node %s' % node_id.hex())
        return fields, fields.u8()

    def _tree_entries(self, node_id, parent_height, above, most):
        """Nodes: every name is greater than `above` and, where it is given, at most `most`."""
        fields, node_type = self._node(node_id)
        if node_type == DIRECTORY_LEAF:
            for entry in DirectoryLeaf(fields, self._chunks).entries:
                require(above < entry.name and (most is None or entry.name <= most),
                        'a name does not belong below its node')
                yield entry
            return
        require(node_type == DIRECTORY_INNER, 'node type %d in a directory' % node_type)
        inner = parse_inner(fields, parent_height, _greatest_name)
        check_ascending([above, *inner.labels])
        for child_id, greatest in zip(inner.child_ids, inner.labels):
            yield from self._tree_entries(child_id, inner.height, above, greatest)
            above = greatest

    def runs(self, entry):
        """Content: the runs of a file that has no inline content."""
        if not isinstance(entry.content, Tree):
            return entry.content
        runs = self._tree_runs(entry.content.root_id, MOST_HEIGHT + 1)
        require(sum(run.size for run in runs) == entry.size, 'a tree does not fill the file')
        return runs

    def _tree_runs(self, node_id, parent_height):
        fields, node_type = self._node(node_id)
        if node_type == EXTENT_LEAF:
            runs = References(fields, self._chunks).runs(fields)
            fields.end()
            return runs
        require(node_type == EXTENT_INNER, 'node type %d in a file' % node_type)
        inner = parse_inner(fields, parent_height, _content_bytes)
        runs = []
        for child_id, size in zip(inner.child_ids, inner.labels):
            below = self._tree_runs(child_id, inner.height)
            require(sum(run.size for run in below) == size, 'an extent child has other bytes')
            runs += below
        return runs

    def content(self, entry):
        """The bytes of a file, in pieces."""
        if isinstance(entry.content, bytes):
            yield entry.content
            return
        for run in self.runs(entry):
            if run.kind == DATA_RUN:
                chunk = self._chunks.content(run.chunk_id, DATA, run.offset, run.size)
                yield chunk[run.offset:run.offset + run.size]
            else:
                yield from _zeros(run.size)

    def holes(self, entry):
        """[offset, size] of each hole of a file."""
        if isinstance(entry.content, bytes):
            return []
        holes, at = [], 0
        for run in self.runs(entry):
            if run.kind == HOLE:
                holes.append([at, run.size])
            at += run.size
        return holes


def _zeros(size):
    block = bytes(MIB)
    while size > MIB:
        yield block
        size -= MIB
    yield block[:size]
