#include "backup/content_pipeline.h"

#include <algorithm>

#include "backup/event_check.h"

namespace holdfast {
namespace {

// How often a file that changes while it is read is opened. The last time it is read twice: of a file
// that only grows, or was replaced by another, the same bytes are there the second time.
constexpr int max_attempts = 3;

// A file that hashes what is read of it.
class HashingFile final : public SourceFile {
  public:
    explicit HashingFile(SourceFile& file) : file_(file) {}

    Digest hash() const { return hasher_.finish(); }
    Result<Metadata> metadata() override { return file_.metadata(); }
    Result<bool> has_changed(const Metadata& seen) override { return file_.has_changed(seen); }
    Result<std::vector<ExtendedAttribute>> xattrs() override { return file_.xattrs(); }
    Result<std::vector<SourceExtent>> extents(std::uint64_t bytes) override {
        return file_.extents(bytes);
    }
    Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override {
        HF_TRY(const std::size_t count, file_.read(offset, out));
        Bytes place;
        ByteWriter writer(place);
        writer.u64(offset);
        writer.u64(count);
        hasher_.update(place);
        hasher_.update(out.first(count));
        return count;
    }

  private:
    SourceFile& file_;
    Hasher hasher_;
};

}  // namespace

// Small files' contents, one after the other, on their way to become a chunk.
struct ContentPipeline::Group {
    struct Member {
        FileTask* task;
        std::uint32_t offset;
        std::uint32_t bytes;
        Digest hash;
    };
    Bytes content;
    std::vector<Member> members;
};

ContentPipeline::ContentPipeline(Source& source,
                                 const ContentContext& context,
                                 std::size_t threads)
    : source_(source),
      context_(context),
      // Waiting groups hold no content: it is read by the thread that takes them.
      pool_(std::make_unique<WorkerPool>(threads, 2)) {}

void ContentPipeline::submit_group(std::vector<std::shared_ptr<FileTask>> group) {
    pool_->submit([this, group = std::move(group)]() mutable { read_group(group); });
}

void ContentPipeline::submit_file(std::shared_ptr<FileTask> task) {
    pool_->submit([this, task = std::move(task)] {
        read_file(*task);
        task->mark_done();
        task->wake();
    });
}

void ContentPipeline::finish() {
    pool_.reset();
}

template <typename ReadContent>
Result<bool> ContentPipeline::read_once(SourceFile& file,
                                        FileTask& task,
                                        int attempt,
                                        ReadContent& read_content) {
    Metadata& metadata = task.entry.metadata;
    if (attempt == 1) {
        // The walk has just looked: what it saw holds if it still holds after the reading.
        metadata = task.event.metadata;
        HF_TRY(metadata.xattrs, file.xattrs());
    } else {
        HF_TRY(metadata, file.metadata());
    }
    HF_TRY_STATUS(check_xattrs(metadata.xattrs));
    const Metadata seen = metadata;
    const auto read = [&](SourceFile& from) -> Status {
        HF_TRY(task.entry.content, read_content(from, seen.size));
        return {};
    };
    if (attempt < max_attempts) {
        HF_TRY_STATUS(read(file));
        HF_TRY(const bool changed, file.has_changed(seen));
        return !changed;
    }
    HashingFile first(file), second(file);
    HF_TRY_STATUS(read(first));
    HF_TRY(const bool changed, file.has_changed(seen));
    if (!changed) return true;
    HF_TRY_STATUS(read(second));
    return first.hash() == second.hash();
}

Result<std::unique_ptr<SourceFile>> ContentPipeline::open(FileTask& task) {
    if (!task.opened) return source_.open(task.event);
    auto opened = std::move(*task.opened);
    task.opened.reset();
    return opened;
}

template <typename ReadContent>
void ContentPipeline::read_stable(FileTask& task, ReadContent read_content) {
    // Where opening does not wait, only reading tells that a file is gone.
    const auto give_up = [&task](const Error& error) {
        task.outcome = error.code() == ErrorCode::not_found ? FileOutcome::vanished : FileOutcome::skipped;
        task.problem = error.message();
    };
    for (int attempt = 1; attempt <= max_attempts; ++attempt) {
        auto file = open(task);
        if (!file.ok()) return give_up(file.error());
        const auto is_stable = read_once(**file, task, attempt, read_content);
        if (is_stable.ok() && *is_stable) return;
        const bool became_shorter =
            !is_stable.ok() && is_stable.error().code() == ErrorCode::conflict;
        if (!is_stable.ok() && !became_shorter) return give_up(is_stable.error());
    }
    task.outcome = FileOutcome::unstable;
    task.problem = "it changed each time it was read";
}

Result<Content> ContentPipeline::read_large(SourceFile& file,
                                            FileTask& task,
                                            std::uint64_t bytes) {
    auto reader = readers_.take([this] { return std::make_unique<FileContentReader>(context_); });
    auto content = bytes == stream_size
                       ? reader->read_stream(file, task.entry.metadata.size)
                       : reader->read(file, task.event.name, bytes, task.previous.get());
    readers_.give_back(std::move(reader));
    return content;
}

void ContentPipeline::read_file(FileTask& task) {
    task.entry.name = task.event.name;
    read_stable(task, [&](SourceFile& file, std::uint64_t bytes) -> Result<Content> {
        if (bytes == 0) return Content(NoContent{});
        if (bytes > max_inline_bytes) return read_large(file, task, bytes);
        InlineContent content{Bytes(static_cast<std::size_t>(bytes))};
        HF_TRY(const std::size_t count, file.read(0, content.data));
        if (count != bytes) return Error(ErrorCode::conflict, "the file became shorter");
        return Content(std::move(content));
    });
    ++context_.progress.files;
}

bool ContentPipeline::read_small(FileTask& task, Group& group) {
    task.entry.name = task.event.name;
    const std::size_t start = group.content.size();
    bool is_small = true;
    read_stable(task, [&](SourceFile& file, std::uint64_t bytes) -> Result<Content> {
        group.content.resize(start);
        is_small = bytes < small_file_bytes;
        if (!is_small || bytes == 0) return Content(NoContent{});
        group.content.resize(start + static_cast<std::size_t>(bytes));
        const MutableByteSpan space = MutableByteSpan(group.content).subspan(start);
        HF_TRY(const std::size_t count, file.read(0, space));
        if (count != bytes) return Error(ErrorCode::conflict, "the file became shorter");
        if (bytes > max_inline_bytes) return Content(NoContent{});  // store_group fills it in
        InlineContent content{Bytes(space.begin(), space.end())};
        group.content.resize(start);
        return Content(std::move(content));
    });
    if (!task.is_stored()) group.content.resize(start);
    return is_small;
}

void ContentPipeline::read_group(std::vector<std::shared_ptr<FileTask>>& tasks) {
    Group group;
    std::uint64_t expected_bytes = 0;
    for (const auto& task : tasks) expected_bytes += task->event.metadata.size;
    // A group ends with the file that makes it too large.
    group.content.reserve(static_cast<std::size_t>(
        std::min(expected_bytes, group_max_bytes + small_file_bytes)));
    const SecretKey& key = context_.sink.keyring().member_key();
    std::size_t opened = 0;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const auto& task = tasks[i];
        for (; opened < std::min(tasks.size(), i + 1 + source_.opens_ahead()); ++opened)
            tasks[opened]->opened = source_.open(tasks[opened]->event);
        const std::size_t start = group.content.size();
        if (!read_small(*task, group)) {
            read_file(*task);
            continue;
        }
        const std::size_t bytes = group.content.size() - start;
        context_.progress.read_bytes += task->entry.metadata.size;
        context_.progress.bytes += task->entry.metadata.size;
        ++context_.progress.files;
        if (bytes == 0) continue;
        const Digest hash = keyed_hash(key, ByteSpan(group.content).subspan(start));
        const auto known = context_.place_of(hash, bytes);
        if (known && !task->leaves(known->chunk)) {
            task->entry.content =
                RunContent{{Run{RunKind::data, known->chunk, known->offset, bytes}}};
            group.content.resize(start);
            continue;
        }
        group.members.push_back({task.get(), static_cast<std::uint32_t>(start),
                                 static_cast<std::uint32_t>(bytes), hash});
    }
    store_group(group);
    // Together: the tree's thread is woken once a group, not once a file.
    for (const auto& task : tasks) task->mark_done();
    for (const auto& task : tasks) task->wake();
}

void ContentPipeline::store_group(Group& group) {
    if (group.members.empty()) return;
    std::vector<std::uint32_t> lengths;
    std::vector<Digest> hashes;
    for (const Group::Member& member : group.members) {
        lengths.push_back(member.bytes);
        hashes.push_back(member.hash);
    }
    const ChunkId id =
        context_.sink.put_members(std::move(group.content), std::move(lengths), hashes);
    for (const Group::Member& member : group.members) {
        context_.members.insert(member.hash, {id, member.offset, member.bytes});
        member.task->entry.content =
            RunContent{{Run{RunKind::data, id, member.offset, member.bytes}}};
        member.task->is_in_group = true;
    }
}

}  // namespace holdfast
