#include "backup/live_diff.h"

namespace holdfast {
namespace {

class LiveDiffer {
  public:
    LiveDiffer(ChunkReader& chunks, const DiffVisitor& visit) : chunks_(chunks), visit_(visit) {}

    Status run(const Entry& root, Source& source) {
        HF_TRY(const auto stream, source.walk());
        for (;;) {
            std::vector<SourceEvent> batch;
            HF_TRY_STATUS(stream->next(batch));
            if (batch.empty()) return {};
            for (SourceEvent& event : batch) {
                if (event.metadata.type == EntryType::symlink)
                    (void)source.complete(event, event.metadata).ok();
                HF_TRY_STATUS(handle(root, event));
            }
        }
    }

  private:
    struct Level {
        std::string path;
        std::unique_ptr<Entry> before;  // owns what `stream` reads of
        EntryStream stream;
    };

    Status handle(const Entry& root, const SourceEvent& event) {
        if (event.kind == SourceEventKind::problem) return {};
        if (event.kind == SourceEventKind::leave) {
            HF_TRY_STATUS(removed_until(nullptr));
            levels_.pop_back();
            return {};
        }
        std::unique_ptr<Entry> before;
        std::string path;
        if (levels_.empty()) {
            before = std::make_unique<Entry>(root);
        } else {
            path = join_path(levels_.back().path, event.name);
            HF_TRY_STATUS(removed_until(&event.name));
            HF_TRY(const Entry* const found, levels_.back().stream.peek());
            if (found != nullptr && found->name == event.name) {
                before = std::make_unique<Entry>(*found);
                levels_.back().stream.advance();
            }
            HF_TRY_STATUS(compare(before.get(), event, path));
        }
        if (event.kind != SourceEventKind::enter) return {};
        if (before && before->metadata.type != EntryType::directory) before.reset();
        HF_TRY(EntryStream stream, EntryStream::open(chunks_, before.get()));
        levels_.push_back({path, std::move(before), std::move(stream)});
        return {};
    }

    Status compare(const Entry* before, const SourceEvent& event, const std::string& path) {
        const Metadata& now = event.metadata;
        const Entry shown{event.name, now, NoContent{}};
        if (before == nullptr) return visit_(Change::added, path, shown);
        const Metadata& then = before->metadata;
        const bool is_directory = now.type == EntryType::directory;
        if (now.type != then.type ||
            now.target != then.target ||
            (!is_directory && (now.size != then.size || now.mtime != then.mtime)))
            return visit_(Change::modified, path, shown);
        if (now.mode != then.mode || now.uid != then.uid || now.gid != then.gid ||
            now.mtime != then.mtime)
            return visit_(Change::metadata_only, path, shown);
        return {};
    }

    // Entries of the point that the live directory does not have, up to `name`.
    Status removed_until(const std::string* name) {
        Level& level = levels_.back();
        for (;;) {
            HF_TRY(const Entry* const entry, level.stream.peek());
            if (entry == nullptr || (name != nullptr && entry->name >= *name)) return {};
            const std::string path = join_path(level.path, entry->name);
            HF_TRY_STATUS(visit_(Change::removed, path, *entry));
            HF_TRY_STATUS(for_each_entry_below(chunks_, *entry, path, Recursion::all,
                                      [this](const std::string& below, const Entry& child) {
                                          return visit_(Change::removed, below, child);
                                      }));
            level.stream.advance();
        }
    }

    ChunkReader& chunks_;
    const DiffVisitor& visit_;
    std::vector<Level> levels_;
};

}  // namespace

Status diff_live(ChunkReader& chunks, const Entry& root, Source& source, const DiffVisitor& visit) {
    return LiveDiffer(chunks, visit).run(root, source);
}

}  // namespace holdfast
