#include "format/node.h"

#include <algorithm>

namespace holdfast {
namespace {

Error bad(const char* what) {
    return {ErrorCode::corrupt, std::string("damaged manifest node: ") + what};
}

// First byte of an entry: type in the low three bits, then flags.
constexpr std::uint8_t same_mode = 8, same_owner = 16, same_mtime = 32, has_more = 64,
                       mtime_is_ctime = 128;
// Second byte, only with has_more.
constexpr std::uint8_t has_xattrs = 1, has_attributes = 2, has_hard_links = 4, has_file_system = 8,
                       has_device = 16;

// How a content is written; the numbers are stored.
enum class ContentCode : std::uint8_t {
    none = 0,
    inline_data = 1,
    continued_run = 2,  // one run where the last one ended
    next_chunk_run = 3,  // one run at the start of the chunk after the last one
    runs = 4,
    extent_tree = 5,
    inline_directory = 6,
    directory_tree = 7,
};

constexpr std::size_t max_nesting = 64, max_attribute_name_bytes = 4096;
constexpr std::uint64_t max_file_bytes = UINT64_MAX >> 1;

}  // namespace

bool is_valid_name(std::string_view name) {
    return !name.empty() && name.size() <= 4096 && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_valid_attribute_name(std::string_view name) {
    return !name.empty() && name.size() <= max_attribute_name_bytes && name.find('\0') == std::string_view::npos;
}

// Writes entries into a DirectoryLeafWriter's body.
class EntryEncoder {
  public:
    explicit EntryEncoder(DirectoryLeafWriter& leaf) : leaf_(leaf), out_(leaf.body_) {}

    void entry(const Entry& entry, std::string_view previous_name) {
        const std::size_t shared = shared_prefix(entry.name, previous_name);
        out_.varint(shared);
        out_.sized_text(std::string_view(entry.name).substr(shared));
        metadata(entry.metadata);
        content(entry);
    }

    void runs(std::span<const Run> runs) {
        out_.varint(runs.size());
        for (const Run& run : runs) {
            HF_CHECK(run.bytes <= max_file_bytes >> 1);
            out_.varint(run.bytes << 2 | static_cast<std::uint8_t>(run.kind));
            if (run.kind != RunKind::data) continue;
            const std::size_t index = chunk_index(run.chunk);
            out_.signed_varint(static_cast<std::int64_t>(index) -
                               static_cast<std::int64_t>(leaf_.previous_.chunk));
            out_.signed_varint(std::int64_t{run.chunk_offset} - leaf_.table_end_[index]);
            remember(index, run);
        }
    }

    std::size_t chunk_index(const ChunkId& id) {
        // The chunks of neighbours are neighbours: search from the end, not far.
        const std::size_t size = leaf_.table_.size();
        for (std::size_t back = 1; back <= std::min<std::size_t>(size, 512); ++back)
            if (leaf_.table_[size - back] == id) return size - back;
        leaf_.table_.push_back(id);
        leaf_.table_end_.push_back(0);
        return size;
    }

  private:
    static std::size_t shared_prefix(std::string_view a, std::string_view b) {
        const std::size_t limit = std::min(a.size(), b.size());
        std::size_t shared = 0;
        while (shared < limit && a[shared] == b[shared]) ++shared;
        return shared;
    }

    void metadata(const Metadata& m) {
        auto& previous = leaf_.previous_;
        auto& mode = m.type == EntryType::directory ? previous.directory_mode : previous.file_mode;
        const std::uint8_t more = static_cast<std::uint8_t>(
            (m.xattrs.empty() ? 0 : has_xattrs) | (m.attributes == 0 ? 0 : has_attributes) |
            (m.has_links ? has_hard_links : 0) | (m.file_system == 0 ? 0 : has_file_system) |
            (m.device == 0 ? 0 : has_device));
        const bool owner_same = m.uid == previous.uid && m.gid == previous.gid;
        std::uint8_t first = static_cast<std::uint8_t>(m.type);
        if (m.mode == mode) first |= same_mode;
        if (owner_same) first |= same_owner;
        if (m.mtime == m.ctime) first |= mtime_is_ctime;
        else if (m.mtime == previous.mtime) first |= same_mtime;
        if (more != 0) first |= has_more;
        out_.u8(first);
        if (more != 0) out_.u8(more);
        if (m.mode != mode) out_.varint(m.mode);
        if (!owner_same) {
            out_.varint(m.uid);
            out_.varint(m.gid);
        }
        // Wrapping differences: any two times have one.
        out_.varint(zigzag(wrapping_difference(m.ctime, previous.ctime)));
        if ((first & (mtime_is_ctime | same_mtime)) == 0)
            out_.varint(zigzag(wrapping_difference(m.mtime, previous.mtime)));
        out_.varint(zigzag(static_cast<std::int64_t>(m.inode - previous.inode)));
        if (m.file_system != 0) out_.varint(m.file_system);
        if (m.device != 0) out_.varint(m.device);
        if (m.attributes != 0) out_.varint(m.attributes);
        if (!m.xattrs.empty()) xattrs(m.xattrs);
        if (m.type == EntryType::symlink) out_.sized_text(m.target);
        mode = m.mode;
        previous.uid = m.uid;
        previous.gid = m.gid;
        previous.mtime = m.mtime;
        previous.ctime = m.ctime;
        previous.inode = m.inode;
    }

    static std::int64_t wrapping_difference(TimeNs a, TimeNs b) {
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) -
                                         static_cast<std::uint64_t>(b));
    }

    void xattrs(const std::vector<ExtendedAttribute>& list) {
        out_.varint(list.size());
        for (const ExtendedAttribute& attribute : list) {
            HF_CHECK(is_valid_attribute_name(attribute.name));
            out_.sized_text(attribute.name);
            out_.sized_bytes(attribute.value);
        }
    }

    void code(ContentCode value) { out_.u8(static_cast<std::uint8_t>(value)); }

    void content(const Entry& entry) {
        const EntryType type = entry.metadata.type;
        if (type != EntryType::file && type != EntryType::directory) return;
        if (type == EntryType::file) out_.varint(entry.metadata.size);
        if (std::holds_alternative<NoContent>(entry.content)) {
            code(ContentCode::none);
        } else if (const auto* data = std::get_if<InlineContent>(&entry.content)) {
            HF_CHECK(data->data.size() == entry.metadata.size);
            code(ContentCode::inline_data);
            out_.bytes(data->data);
        } else if (const auto* list = std::get_if<RunContent>(&entry.content)) {
            run_content(*list, entry.metadata.size);
        } else if (const auto* extents = std::get_if<ExtentTree>(&entry.content)) {
            code(ContentCode::extent_tree);
            out_.varint(chunk_index(extents->root));
        } else if (const auto* tree = std::get_if<DirectoryTree>(&entry.content)) {
            code(ContentCode::directory_tree);
            out_.varint(chunk_index(tree->root));
        } else {
            code(ContentCode::inline_directory);
            children(std::get<InlineDirectory>(entry.content).entries);
        }
    }

    void children(const std::vector<Entry>& entries) {
        out_.varint(entries.size());
        std::string_view previous;
        for (const Entry& child : entries) {
            entry(child, previous);
            previous = child.name;
        }
    }

    void run_content(const RunContent& content, std::uint64_t size) {
        if (content.runs.size() == 1 && content.runs[0].kind == RunKind::data &&
            content.runs[0].bytes == size) {
            const Run& run = content.runs[0];
            const std::size_t known = leaf_.table_.size();
            const std::size_t index = chunk_index(run.chunk);
            if (known != 0 && index == leaf_.previous_.chunk &&
                run.chunk_offset == leaf_.table_end_[index]) {
                code(ContentCode::continued_run);
                return remember(index, run);
            }
            if (index == known && run.chunk_offset == 0) {
                code(ContentCode::next_chunk_run);
                return remember(index, run);
            }
        }
        code(ContentCode::runs);
        runs(content.runs);
    }

    void remember(std::size_t index, const Run& run) {
        leaf_.previous_.chunk = index;
        leaf_.table_end_[index] = run.chunk_offset + static_cast<std::uint32_t>(run.bytes);
    }

    DirectoryLeafWriter& leaf_;
    ByteWriter out_;
};

void DirectoryLeafWriter::add(const Entry& entry) {
    HF_CHECK(is_valid_name(entry.name) && (count_ == 0 || entry.name > last_name_));
    EntryEncoder(*this).entry(entry, last_name_);
    last_name_ = entry.name;
    ++count_;
}

namespace {

void write_table(ByteWriter& out, std::span<const ChunkId> table) {
    out.varint(table.size());
    for (const ChunkId& id : table) out.bytes(id.bytes);
}

}  // namespace

Bytes DirectoryLeafWriter::finish() {
    Bytes node;
    node.reserve(encoded_bytes() + 16);
    ByteWriter out(node);
    out.u8(static_cast<std::uint8_t>(NodeType::directory_leaf));
    write_table(out, table_);
    out.varint(count_);
    out.bytes(body_);
    *this = DirectoryLeafWriter{};
    return node;
}

Bytes DirectoryLeafWriter::extent_leaf(std::span<const Run> runs) {
    DirectoryLeafWriter writer;
    EntryEncoder(writer).runs(runs);
    Bytes node;
    ByteWriter out(node);
    out.u8(static_cast<std::uint8_t>(NodeType::extent_leaf));
    write_table(out, writer.table_);
    out.bytes(writer.body_);
    return node;
}

namespace {

class EntryDecoder {
  public:
    explicit EntryDecoder(ByteSpan node) : in_(node) {}

    Result<std::vector<Entry>> directory_leaf() {
        if (in_.u8() != static_cast<std::uint8_t>(NodeType::directory_leaf)) return bad("type");
        read_table();
        std::vector<Entry> entries = read_entries(0);
        if (!in_.complete()) return bad("directory leaf");
        return entries;
    }

    Result<std::vector<Run>> extent_leaf() {
        if (in_.u8() != static_cast<std::uint8_t>(NodeType::extent_leaf)) return bad("type");
        read_table();
        std::vector<Run> runs = read_runs();
        if (!in_.complete()) return bad("extent leaf");
        return runs;
    }

  private:
    void read_table() {
        const std::uint64_t count = in_.varint_at_most(in_.remaining() / 32);
        table_.resize(static_cast<std::size_t>(count));
        for (ChunkId& id : table_) id.bytes = in_.array<32>();
        table_end_.assign(table_.size(), 0);
    }

    std::vector<Entry> read_entries(std::size_t depth) {
        std::vector<Entry> entries;
        // The shortest entry takes six bytes.
        const std::uint64_t count = in_.varint_at_most(in_.remaining() / 6);
        if (depth > max_nesting) in_.fail();
        if (!in_.ok()) return entries;
        // No more than a node's worth at once: the count is only a claim.
        entries.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(count, 256)));
        for (std::uint64_t i = 0; i < count && in_.ok(); ++i) {
            Entry& entry = entries.emplace_back();
            read_name(entry.name, i == 0 ? std::string_view{} : entries[entries.size() - 2].name);
            read_metadata(entry.metadata);
            read_content(entry, depth);
        }
        return entries;
    }

    void read_name(std::string& name, std::string_view previous) {
        const std::uint64_t shared = in_.varint_at_most(previous.size());
        const ByteSpan rest = in_.sized_bytes(4096);
        name.reserve(static_cast<std::size_t>(shared) + rest.size());
        name.assign(previous.substr(0, static_cast<std::size_t>(shared)));
        name.append(as_text(rest));
        if (!is_valid_name(name) || name <= previous) in_.fail();
    }

    void read_metadata(Metadata& m) {
        const std::uint8_t first = in_.u8();
        const std::uint8_t more = (first & has_more) != 0 ? in_.u8() : std::uint8_t{0};
        const std::uint8_t type = first & 7;
        if (type == 0 || (more & ~31) != 0) in_.fail();
        m.type = static_cast<EntryType>(type);
        auto& mode = m.type == EntryType::directory ? directory_mode_ : file_mode_;
        if ((first & same_mode) == 0) mode = static_cast<std::uint16_t>(in_.varint_at_most(07777));
        m.mode = mode;
        if ((first & same_owner) == 0) {
            uid_ = static_cast<std::uint32_t>(in_.varint_at_most(UINT32_MAX));
            gid_ = static_cast<std::uint32_t>(in_.varint_at_most(UINT32_MAX));
        }
        m.uid = uid_;
        m.gid = gid_;
        ctime_ = wrapping_sum(ctime_, in_.signed_varint());
        if ((first & mtime_is_ctime) != 0) mtime_ = ctime_;
        else if ((first & same_mtime) == 0) mtime_ = wrapping_sum(mtime_, in_.signed_varint());
        m.ctime = ctime_;
        m.mtime = mtime_;
        inode_ += static_cast<std::uint64_t>(in_.signed_varint());
        m.inode = inode_;
        m.has_links = (more & has_hard_links) != 0;
        if ((more & has_file_system) != 0)
            m.file_system = static_cast<std::uint32_t>(in_.varint_at_most(UINT32_MAX));
        if ((more & has_device) != 0) m.device = in_.varint();
        if ((more & has_attributes) != 0)
            m.attributes = static_cast<std::uint32_t>(in_.varint_at_most(UINT32_MAX));
        if ((more & has_xattrs) != 0) read_xattrs(m.xattrs);
        if (m.type != EntryType::symlink) return;
        m.target = in_.sized_text(65536);
        if (m.target.empty() || m.target.find('\0') != std::string::npos) in_.fail();
    }

    static TimeNs wrapping_sum(TimeNs a, std::int64_t b) {
        return static_cast<TimeNs>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    }

    void read_xattrs(std::vector<ExtendedAttribute>& list) {
        const std::uint64_t count = in_.varint_at_most(in_.remaining() / 2);
        for (std::uint64_t i = 0; i < count && in_.ok(); ++i) {
            ExtendedAttribute& attribute = list.emplace_back();
            attribute.name = in_.sized_text(max_attribute_name_bytes);
            const ByteSpan value = in_.sized_bytes();
            attribute.value.assign(value.begin(), value.end());
            const bool in_order = i == 0 || list[list.size() - 2].name < attribute.name;
            if (!is_valid_attribute_name(attribute.name) || !in_order) in_.fail();
        }
    }

    void read_content(Entry& entry, std::size_t depth) {
        const EntryType type = entry.metadata.type;
        if (type != EntryType::file && type != EntryType::directory) return;
        const bool is_file = type == EntryType::file;
        std::uint64_t& size = entry.metadata.size;
        if (is_file) size = in_.varint_at_most(max_file_bytes);
        const std::uint8_t code = in_.u8();
        switch (static_cast<ContentCode>(code)) {
            case ContentCode::none:
                if (size != 0) in_.fail();
                return;
            case ContentCode::inline_data: {
                const ByteSpan data = size <= max_inline_bytes
                                          ? in_.bytes(static_cast<std::size_t>(size))
                                          : ByteSpan{};
                if (data.size() != size || !is_file) in_.fail();
                entry.content = InlineContent{Bytes(data.begin(), data.end())};
                return;
            }
            case ContentCode::continued_run: return read_short_run(entry, last_chunk_);
            case ContentCode::next_chunk_run: return read_short_run(entry, next_chunk_);
            case ContentCode::runs: {
                RunContent content{read_runs()};
                std::uint64_t sum = 0;
                for (const Run& run : content.runs) sum += run.bytes;
                if (!is_file || sum != size) in_.fail();
                entry.content = std::move(content);
                return;
            }
            case ContentCode::extent_tree:
                if (!is_file) in_.fail();
                entry.content = ExtentTree{read_chunk()};
                return;
            case ContentCode::directory_tree:
                if (is_file) in_.fail();
                entry.content = DirectoryTree{read_chunk()};
                return;
            case ContentCode::inline_directory:
                if (is_file) in_.fail();
                entry.content = InlineDirectory{read_entries(depth + 1)};
                return;
        }
        in_.fail();
    }

    // A tree's root, by table index. Keeps `next_chunk_` in step with the encoder's table.
    ChunkId read_chunk() {
        const std::uint64_t index = in_.varint();
        if (index >= table_.size()) return in_.fail(), ChunkId{};
        next_chunk_ = std::max(next_chunk_, static_cast<std::size_t>(index) + 1);
        return table_[static_cast<std::size_t>(index)];
    }

    void read_short_run(Entry& entry, std::size_t index) {
        const std::uint64_t size = entry.metadata.size;
        if (index >= table_.size() || size == 0 || size > max_chunk_bytes_ - table_end_[index] ||
            entry.metadata.type != EntryType::file)
            return in_.fail();
        Run run{RunKind::data, table_[index], table_end_[index], size};
        remember(index, run);
        entry.content = RunContent{{run}};
    }

    std::vector<Run> read_runs() {
        std::vector<Run> runs;
        const std::uint64_t count = in_.varint_at_most(in_.remaining());
        std::uint64_t total = 0;
        for (std::uint64_t i = 0; i < count && in_.ok(); ++i) {
            const std::uint64_t packed = in_.varint();
            Run run;
            run.bytes = packed >> 2;
            total += run.bytes;
            if ((packed & 3) > 2 || total > max_file_bytes || run.bytes == 0)
                return in_.fail(), runs;
            run.kind = static_cast<RunKind>(packed & 3);
            if (run.kind == RunKind::data && !read_data_run(run)) return in_.fail(), runs;
            runs.push_back(run);
        }
        return runs;
    }

    bool read_data_run(Run& run) {
        const std::uint64_t index =
            last_chunk_ + static_cast<std::uint64_t>(in_.signed_varint());
        if (index >= table_.size() || run.bytes > max_chunk_bytes_) return false;
        const std::size_t i = static_cast<std::size_t>(index);
        const std::uint64_t offset =
            table_end_[i] + static_cast<std::uint64_t>(in_.signed_varint());
        if (offset > max_chunk_bytes_ - run.bytes) return false;
        run.chunk = table_[i];
        run.chunk_offset = static_cast<std::uint32_t>(offset);
        remember(i, run);
        return true;
    }

    void remember(std::size_t index, const Run& run) {
        last_chunk_ = index;
        next_chunk_ = std::max(next_chunk_, index + 1);
        table_end_[index] = run.chunk_offset + static_cast<std::uint32_t>(run.bytes);
    }

    static constexpr std::uint64_t max_chunk_bytes_ = 16u << 20;

    ByteReader in_;
    std::vector<ChunkId> table_;
    std::vector<std::uint32_t> table_end_;
    std::size_t last_chunk_ = 0, next_chunk_ = 0;
    std::uint16_t file_mode_ = 0644, directory_mode_ = 0755;
    std::uint32_t uid_ = 0, gid_ = 0;
    TimeNs mtime_ = 0, ctime_ = 0;
    std::uint64_t inode_ = 0;
};

Bytes encode_inner(const InnerNode& node, NodeType type) {
    Bytes data;
    ByteWriter out(data);
    out.u8(static_cast<std::uint8_t>(type));
    out.u8(node.height);
    out.varint(node.children.size());
    for (const ChildRef& child : node.children) out.bytes(child.id.bytes);
    for (const ChildRef& child : node.children) {
        if (type == NodeType::directory_inner) out.sized_text(child.last_name);
        else out.varint(child.bytes);
    }
    return data;
}

Result<InnerNode> decode_inner(ByteSpan data, NodeType type) {
    ByteReader in(data);
    InnerNode node;
    if (in.u8() != static_cast<std::uint8_t>(type)) return bad("type");
    node.height = in.u8();
    node.children.resize(static_cast<std::size_t>(in.varint_at_most(in.remaining() / 33)));
    for (ChildRef& child : node.children) child.id.bytes = in.array<32>();
    std::string_view previous;
    std::uint64_t total = 0;
    for (ChildRef& child : node.children) {
        if (type == NodeType::directory_inner) {
            child.last_name = in.sized_text(4096);
            if (!is_valid_name(child.last_name) || child.last_name <= previous) in.fail();
            previous = child.last_name;
        } else {
            child.bytes = in.varint_at_most(max_file_bytes);
            total += child.bytes;
            if (child.bytes == 0 || total > max_file_bytes) in.fail();
        }
        if (!in.ok()) break;
    }
    if (!in.complete() || node.children.empty() || node.height == 0 || node.height > 32)
        return bad("inner node");
    return node;
}

}  // namespace

Result<std::vector<Entry>> decode_directory_leaf(ByteSpan node) {
    return EntryDecoder(node).directory_leaf();
}

Bytes encode_directory_inner(const InnerNode& node) {
    return encode_inner(node, NodeType::directory_inner);
}
Result<InnerNode> decode_directory_inner(ByteSpan node) {
    return decode_inner(node, NodeType::directory_inner);
}
Bytes encode_extent_inner(const InnerNode& node) {
    return encode_inner(node, NodeType::extent_inner);
}
Result<InnerNode> decode_extent_inner(ByteSpan node) {
    return decode_inner(node, NodeType::extent_inner);
}

Bytes encode_extent_leaf(std::span<const Run> runs) {
    return DirectoryLeafWriter::extent_leaf(runs);
}

Result<std::vector<Run>> decode_extent_leaf(ByteSpan node) {
    return EntryDecoder(node).extent_leaf();
}

Result<NodeType> node_type(ByteSpan node) {
    if (node.empty() || node[0] < 1 || node[0] > 4) return bad("type");
    return static_cast<NodeType>(node[0]);
}

}  // namespace holdfast
