#include "source/generated/generated_source.h"

#include <algorithm>
#include <charconv>

namespace holdfast {
namespace {

constexpr std::uint64_t files_a_directory = 1000, directories_a_parent = 100;
constexpr std::size_t batch_events = 256;
constexpr TimeNs first_time = 1'600'000'000 * ns_per_second;
constexpr TimeNs version_interval = 86'400 * ns_per_second;

std::uint64_t mix(std::uint64_t value) {
    value += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

// The version in which a file was written last.
std::uint64_t written_in(const GeneratedTree& tree, std::uint64_t number) {
    for (std::uint64_t version = tree.version; version > 1; --version)
        if (mix(tree.seed * 31 + version * 1'000'003 + number) % tree.changed_one_in == 0)
            return version;
    return 1;
}

std::uint64_t size_of(const GeneratedTree& tree, std::uint64_t number) {
    const std::uint64_t random = mix(tree.seed ^ number);
    return random % 5000 == 0 ? 200 << 10 : 40 + random % 400;
}

// prefix, number with at least `digits` digits, suffix.
std::string numbered(std::string_view prefix,
                     std::size_t digits,
                     std::uint64_t number,
                     std::string_view suffix) {
    const std::string text = std::to_string(number);
    std::string name(prefix);
    name.append(digits > text.size() ? digits - text.size() : 0, '0').append(text).append(suffix);
    return name;
}

Metadata file_metadata(const GeneratedTree& tree, std::uint64_t number) {
    Metadata m;
    m.mode = 0644;
    m.inode = number + 1'000'000;
    m.size = size_of(tree, number);
    m.mtime = first_time + static_cast<TimeNs>(written_in(tree, number)) * version_interval +
              static_cast<TimeNs>(mix(number) % 1'000'000'000);
    m.ctime = m.mtime;
    return m;
}

Metadata directory_metadata(std::uint64_t number) {
    Metadata m;
    m.type = EntryType::directory;
    m.mode = 0755;
    m.inode = number + 1;
    m.mtime = m.ctime = first_time;
    return m;
}

class GeneratedStream final : public SourceStream {
  public:
    explicit GeneratedStream(const GeneratedTree& tree) : tree_(tree) {}

    Status next(std::vector<SourceEvent>& batch) override {
        if (next_ == 0 && !started_) {
            started_ = true;
            add(batch, SourceEventKind::enter, "", directory_metadata(0));
        }
        while (batch.size() < batch_events && next_ < tree_.files) {
            const std::uint64_t directory = next_ / files_a_directory;
            if (next_ % files_a_directory == 0) {
                if (directory % directories_a_parent == 0)
                    add(batch, SourceEventKind::enter,
                        numbered("parent-", 6, directory / directories_a_parent, ""),
                        directory_metadata(1 + directory / directories_a_parent));
                add(batch, SourceEventKind::enter, numbered("directory-", 8, directory, ""),
                    directory_metadata(100'000 + directory));
            }
            add(batch, SourceEventKind::entry, numbered("file-", 10, next_, ".dat"),
                file_metadata(tree_, next_));
            ++next_;
            const bool ends = next_ == tree_.files;
            if (ends || next_ % files_a_directory == 0)
                add(batch, SourceEventKind::leave, "", {});
            if (ends || next_ % (files_a_directory * directories_a_parent) == 0)
                add(batch, SourceEventKind::leave, "", {});
            if (ends) add(batch, SourceEventKind::leave, "", {});
        }
        return {};
    }

  private:
    static void add(std::vector<SourceEvent>& batch,
                    SourceEventKind kind,
                    std::string name,
                    Metadata metadata) {
        SourceEvent event;
        event.kind = kind;
        event.name = std::move(name);
        event.metadata = std::move(metadata);
        batch.push_back(std::move(event));
    }

    const GeneratedTree tree_;
    bool started_ = false;
    std::uint64_t next_ = 0;
};

class GeneratedFile final : public SourceFile {
  public:
    GeneratedFile(const GeneratedTree& tree, std::uint64_t number)
        : metadata_(file_metadata(tree, number)),
          content_(GeneratedSource::content(tree, number)) {}

    Result<Metadata> metadata() override { return metadata_; }
    Result<bool> has_changed(const Metadata&) override { return false; }
    Result<std::vector<ExtendedAttribute>> xattrs() override {
        return std::vector<ExtendedAttribute>{};
    }
    Result<std::vector<SourceExtent>> extents(std::uint64_t bytes) override {
        return std::vector<SourceExtent>{{0, bytes, false}};
    }
    Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override {
        if (offset >= content_.size()) return std::size_t{0};
        const std::size_t count =
            std::min<std::size_t>(out.size(), content_.size() - static_cast<std::size_t>(offset));
        std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
        return count;
    }

  private:
    const Metadata metadata_;
    const Bytes content_;
};

}  // namespace

Result<GeneratedTree> GeneratedTree::parse(std::string_view text) {
    GeneratedTree tree;
    const Error bad(ErrorCode::invalid_argument,
                    "not a generated tree (files=N,seed=N,version=N,changed=N)");
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find(','));
        text = part.size() == text.size() ? std::string_view{} : text.substr(part.size() + 1);
        const std::size_t equals = part.find('=');
        if (equals == std::string_view::npos) return bad;
        const std::string_view key = part.substr(0, equals), value = part.substr(equals + 1);
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
        if (error != std::errc{} || end != value.data() + value.size() || number == 0) return bad;
        if (key == "files") tree.files = number;
        else if (key == "seed") tree.seed = number;
        else if (key == "version") tree.version = number;
        else if (key == "changed") tree.changed_one_in = number;
        else return bad;
    }
    if (tree.version > 1000 || tree.files > 10'000'000'000) return bad;
    return tree;
}

Bytes GeneratedSource::content(const GeneratedTree& tree, std::uint64_t number) {
    const std::uint64_t seed = tree.seed * 7919 + number * 1'000'003 + written_in(tree, number);
    Bytes data(static_cast<std::size_t>(size_of(tree, number)));
    for (std::size_t i = 0; i < data.size(); ++i)
        data[i] = static_cast<std::uint8_t>("0123456789abcdef"[mix(seed + i / 8) >> (i % 8 * 4) & 15]);
    return data;
}

Result<std::unique_ptr<SourceStream>> GeneratedSource::walk() {
    return std::unique_ptr<SourceStream>(std::make_unique<GeneratedStream>(tree_));
}

Result<std::unique_ptr<SourceFile>> GeneratedSource::open(const SourceEvent& event) {
    return std::unique_ptr<SourceFile>(
        std::make_unique<GeneratedFile>(tree_, event.metadata.inode - 1'000'000));
}

}  // namespace holdfast
