// A model of trees that change, and a repository in memory to back them up into.
#pragma once

#include <map>
#include <random>
#include <stdexcept>

#include "backup/backup.h"
#include "repository/check.h"
#include "repository/tree_reader.h"
#include "storage/memory/memory_storage.h"
#include "support/hooked_storage.h"

namespace holdfast {

inline constexpr TimeNs epoch = 1'700'000'000 * ns_per_second;

struct ModelNode {
    Metadata metadata;
    Bytes content;
    std::map<std::string, ModelNode> children;
};

// Walks a model tree.
class ModelSource final : public Source {
  public:
    explicit ModelSource(const ModelNode& root) : root_(root) {}

    Result<std::unique_ptr<SourceStream>> walk() override {
        files_.clear();
        auto stream = std::make_unique<Stream>();
        emit(root_, "", *stream);
        return std::unique_ptr<SourceStream>(std::move(stream));
    }
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override {
        return std::unique_ptr<SourceFile>(
            std::make_unique<File>(*files_.at(event.metadata.inode)));
    }
    Status complete(const SourceEvent&, Metadata&) override { return {}; }

  private:
    struct Stream final : SourceStream {
        std::vector<SourceEvent> events;
        std::size_t next_event = 0;
        Status next(std::vector<SourceEvent>& batch) override {
            while (next_event < events.size() && batch.size() < 100)
                batch.push_back(events[next_event++]);
            return {};
        }
    };
    struct File final : SourceFile {
        explicit File(const ModelNode& n) : node(n) {}
        const ModelNode& node;
        Result<Metadata> metadata() override { return node.metadata; }
        Result<bool> has_changed(const Metadata&) override { return false; }
        Result<std::vector<ExtendedAttribute>> xattrs() override { return node.metadata.xattrs; }
        Result<std::vector<SourceExtent>> extents(std::uint64_t bytes) override {
            return std::vector<SourceExtent>{{0, bytes, false}};
        }
        Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override {
            const std::size_t start = std::min<std::size_t>(offset, node.content.size());
            const std::size_t count = std::min(out.size(), node.content.size() - start);
            std::copy_n(node.content.begin() + static_cast<std::ptrdiff_t>(start), count, out.begin());
            return count;
        }
    };

    void emit(const ModelNode& node, const std::string& name, Stream& stream) {
        SourceEvent event;
        event.name = name;
        event.metadata = node.metadata;
        const bool is_directory = node.metadata.type == EntryType::directory;
        event.kind = is_directory ? SourceEventKind::enter : SourceEventKind::entry;
        stream.events.push_back(event);
        files_[node.metadata.inode] = &node;
        for (const auto& [child_name, child] : node.children) emit(child, child_name, stream);
        if (!is_directory) return;
        SourceEvent leave;
        leave.kind = SourceEventKind::leave;
        stream.events.push_back(leave);
    }

    const ModelNode& root_;
    std::map<std::uint64_t, const ModelNode*> files_;
};

// Makes and changes random trees; deterministic by seed.
class Gardener {
  public:
    explicit Gardener(std::uint64_t seed, std::uint64_t max_entries = 2000)
        : random_(seed), max_entries_(max_entries) {}

    ModelNode plant() {
        ModelNode root = directory();
        grow(root, 0);
        return root;
    }

    void change(ModelNode& node, unsigned percent) {
        std::vector<std::string> names;
        for (const auto& [name, child] : node.children) names.push_back(name);
        for (const std::string& name : names) {
            if (below(100) >= percent) {
                if (node.children[name].metadata.type == EntryType::directory)
                    change(node.children[name], percent);
                continue;
            }
            switch (below(5)) {
                case 0: node.children.erase(name); break;
                case 1: node.children[name] = file(); break;
                case 2: touch(node.children[name]); break;
                case 3: {
                    ModelNode moved = std::move(node.children[name]);
                    node.children.erase(name);
                    moved.metadata.ctime = tick();
                    node.children[fresh_name()] = std::move(moved);
                    break;
                }
                default: node.children[fresh_name()] = below(4) == 0 ? planted() : file(); break;
            }
            touch(node);
        }
    }

  private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    TimeNs tick() { return epoch + static_cast<TimeNs>(++ticks_) * 1000; }
    void touch(ModelNode& node) { node.metadata.mtime = node.metadata.ctime = tick(); }

    std::string fresh_name() {
        std::string name;
        const std::size_t length = 1 + below(below(10) == 0 ? 200 : 16);
        while (name.size() < length) {
            const char c = static_cast<char>(1 + below(255));
            if (c != '/') name += c;
        }
        return is_valid_name(name) ? name : "x" + name;
    }

    ModelNode node(EntryType type, std::uint16_t mode) {
        ModelNode result;
        result.metadata.type = type;
        result.metadata.mode = mode;
        result.metadata.inode = ++inodes_;
        result.metadata.uid = below(8) == 0 ? 1000 : 0;
        touch(result);
        return result;
    }
    ModelNode directory() { return node(EntryType::directory, 0755); }
    ModelNode file() {
        ModelNode result = node(EntryType::file, below(5) == 0 ? 0600 : 0644);
        static constexpr std::uint64_t sizes[] = {1, 100, 600, 5000, 150'000, 3'000'000};
        const std::uint64_t limit = sizes[below(100) < 97 ? below(4) : below(100) < 90 ? 4 : 5];
        result.content.resize(below(limit + 1));
        // Text-like or random, quickly: eight bytes at a time.
        const std::uint64_t mask = below(2) == 0 ? UINT64_MAX : 0x0303030303030303u;
        std::uint64_t word = random_();
        for (std::size_t i = 0; i < result.content.size(); ++i) {
            if (i % 8 == 0) word = (word * 0xD1342543DE82EF95u + 1) & (mask | 1);
            result.content[i] = static_cast<std::uint8_t>(word >> (i % 8 * 8));
        }
        result.metadata.size = result.content.size();
        if (below(20) == 0) result.metadata.xattrs = {{"user.x", {1, 2, 3}}};
        return result;
    }
    ModelNode planted() {
        ModelNode result = directory();
        grow(result, 3);
        return result;
    }
    void grow(ModelNode& parent, unsigned depth) {
        // Now and then a directory of many nodes.
        const std::uint64_t count = below(10) == 0 ? below(600) : below(20);
        for (std::uint64_t i = 0; i < count && inodes_ < max_entries_; ++i) {
            ModelNode child = depth < 4 && below(6) == 0 ? directory() : file();
            if (child.metadata.type == EntryType::directory) grow(child, depth + 1);
            parent.children[fresh_name()] = std::move(child);
        }
    }

    std::mt19937_64 random_;
    const std::uint64_t max_entries_;
    std::uint64_t ticks_ = 0, inodes_ = 0;
};

inline Bytes random_bytes(std::size_t count) {
    Bytes data(count);
    system_random().fill(data);
    return data;
}

// Randomness that a seed gives again.
class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : generator_(seed) {}
    void fill(MutableByteSpan out) override {
        const std::lock_guard lock(mutex_);
        for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(generator_());
    }

  private:
    std::mutex mutex_;
    std::mt19937_64 generator_;
};

struct TestRepository {
    SeededRandom random;
    ManualClock clock{epoch + 1'000'000 * ns_per_second};
    std::shared_ptr<MemoryStorage> storage = std::make_shared<MemoryStorage>(&clock);
    StorageHook hook;  // asked before each request, when it is set
    // What the storage has and is, from the next open() on.
    ColdTier* tier = nullptr;
    StorageTraits traits;
    Unlock unlock;
    std::string cache_directory;
    std::unique_ptr<Repository> repository;

    // With an odd seed as if the storage were far away. Without a cache, unless there is a directory for it. With `like` it shares that one's keys for content.
    explicit TestRepository(std::string cache = "",
                            std::uint64_t seed = std::random_device()(),
                            const Repository* like = nullptr,
                            const RepositoryForm& form = {})
        : random(seed), traits{.is_remote = seed % 2 == 1}, cache_directory(std::move(cache)) {
        unlock.key_file = Repository::init(*storage, like, std::nullopt,
                                           Repository::keep_nothing, clock, random, form)
                              .value()
                              .key_file;
        open();
    }

    void open() {
        auto hooked = std::make_unique<HookedStorage>(
            storage, [this](std::string_view operation, const std::string& name) {
                return hook ? hook(operation, name) : ok_status();
            },
            tier, traits);
        repository =
            Repository::open(std::move(hooked), unlock, cache_directory, clock, random).value();
    }

    Result<BackupReport> try_backup(Source& source, BackupType type) {
        clock.advance(60 * ns_per_second);
        BackupOptions options;
        options.host = "host";
        options.name = "name";
        options.type = type;
        Progress progress;
        return run_backup(*repository, source, options, progress, {});
    }
    BackupReport backup(Source& source, BackupType type) {
        auto report = try_backup(source, type);
        if (!report.ok()) throw std::runtime_error(report.error().describe());
        return *report;
    }
    PointInfo latest() {
        return repository
            ->latest(repository->keyring().source_id("host", "name"),
                     [](const PointInfo&) { return Repository::Choice::take; })
            .value()
            .at(0);
    }
    CheckReport check() {
        Progress progress;
        CheckOptions options;
        options.depth = CheckDepth::data;
        return run_check(*repository, options, progress, {}).value();
    }
};

inline Bytes read_content(Repository& repository, const Entry& entry) {
    if (const auto* content = std::get_if<InlineContent>(&entry.content)) return content->data;
    Bytes data;
    ChunkReader* chunks = repository.chunks().value();
    const Status read = for_each_run(*chunks, entry, [&](const holdfast::Run& run) -> Status {
        if (run.kind != RunKind::data) {
            data.resize(data.size() + run.bytes);
            return {};
        }
        const ChunkRange part{run.chunk_offset, static_cast<std::uint32_t>(run.bytes)};
        HF_TRY(const ChunkContent chunk, chunks->read_part(run.chunk, ChunkPurpose::data, part));
        if (!chunk.has(part.offset, part.bytes)) throw std::runtime_error("a run beyond its chunk");
        const auto begin = chunk.bytes.begin() + run.chunk_offset;
        data.insert(data.end(), begin, begin + static_cast<std::ptrdiff_t>(run.bytes));
        return {};
    });
    if (!read.ok()) throw std::runtime_error(read.error().describe());
    return data;
}

// The first difference, or nothing.
inline std::string difference(Repository& repository,
                       const ModelNode& model,
                       const Entry& entry,
                       const std::string& path) {
    if (entry.metadata != model.metadata) return path + ": metadata";
    if (model.metadata.type == EntryType::file)
        return read_content(repository, entry) == model.content ? "" : path + ": content";
    auto expected = model.children.begin();
    std::string found;
    const Status walked =
        for_each_entry(*repository.chunks().value(), entry, [&](const Entry& child) -> Status {
            if (!found.empty()) return {};
            if (expected == model.children.end()) found = path + ": too many";
            else if (expected->first != child.name) found = path + ": names";
            else
                found = difference(repository, expected->second, child, path + '/' + child.name);
            if (found.empty()) ++expected;
            return {};
        });
    if (!walked.ok()) return path + ": " + walked.error().describe();
    if (found.empty() && expected != model.children.end()) return path + ": too few";
    return found;
}

}  // namespace holdfast
