#include "backup/live_diff.h"

namespace holdfast {
namespace {

class LiveDiffer {
  public:
    LiveDiffer(ChunkReader& chunks, Source& source, const DiffVisitor& visit)
        : chunks_(chunks), source_(source), visit_(visit) {}

    Status run(const Entry& root) {
        HF_TRY(const auto stream, source_.walk());
        for (;;) {
            std::vector<SourceEvent> batch;
            HF_TRY_STATUS(stream->next(batch));
            if (batch.empty()) return {};
            for (SourceEvent& event : batch) HF_TRY_STATUS(handle(root, event));
        }
    }

  private:
    struct Level {
        std::string path;
        std::unique_ptr<Entry> before;  // owns what `stream` reads of
        EntryStream stream;
    };

    Status handle(const Entry& root, SourceEvent& event) {
        if (event.kind == SourceEventKind::problem) return {};
        if (event.kind == SourceEventKind::leave) {
            HF_TRY_STATUS(removed_until(nullptr));
            levels_.pop_back();
            return {};
        }
        std::unique_ptr<Entry> before;
        std::string path;  // of what is below
        if (levels_.empty()) {
            before = std::make_unique<Entry>(root);
            HF_TRY_STATUS(compare(before.get(), event, root_path(root)));
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
        if (event.kind != SourceEventKind::enter) {
            // What was a directory has lost all that was in it.
            return before ? removed_below(*before, path) : Status();
        }
        if (before && before->metadata.type != EntryType::directory) before.reset();
        HF_TRY(EntryStream stream, EntryStream::open(chunks_, before.get()));
        levels_.push_back({path, std::move(before), std::move(stream)});
        return {};
    }

    Status compare(const Entry* before, SourceEvent& event, const std::string& path) {
        complete(before, event);
        const Metadata& now = event.metadata;
        const Entry shown{event.name, now, NoContent{}};
        if (before == nullptr) return visit_(Change::added, path, shown);
        const Metadata& then = before->metadata;
        const bool is_file = now.type == EntryType::file;
        if (now.type != then.type || now.target != then.target ||
            (is_file && (now.size != then.size || now.mtime != then.mtime)))
            return visit_(Change::modified, path, shown);
        if (same_metadata(now, then)) return {};
        return visit_(Change::metadata_only, path, shown);
    }

    // Adds what the walk does not tell: the target of a link, extended attributes. Whoever changes
    // them changes the ctime, so they are read only where that differs. What cannot be read is taken
    // to be as it was.
    void complete(const Entry* before, SourceEvent& event) {
        Metadata& now = event.metadata;
        if (before != nullptr && before->metadata.type == now.type) {
            const Metadata& then = before->metadata;
            now.target = then.target;
            now.xattrs = then.xattrs;
            if (now.inode == then.inode && now.ctime == then.ctime) return;
        }
        if (now.type != EntryType::file) {
            (void)source_.complete(event, now).ok();
            return;
        }
        if (before == nullptr) return;
        const auto file = source_.open(event);
        if (!file.ok()) return;
        auto xattrs = (*file)->xattrs();
        if (xattrs.ok()) now.xattrs = std::move(*xattrs);
    }

    // Entries of the point that the live directory does not have, up to `name`.
    Status removed_until(const std::string* name) {
        Level& level = levels_.back();
        for (;;) {
            HF_TRY(const Entry* const entry, level.stream.peek());
            if (entry == nullptr || (name != nullptr && entry->name >= *name)) return {};
            const std::string path = join_path(level.path, entry->name);
            HF_TRY_STATUS(visit_(Change::removed, path, *entry));
            HF_TRY_STATUS(removed_below(*entry, path));
            level.stream.advance();
        }
    }

    Status removed_below(const Entry& entry, const std::string& path) {
        return for_each_entry_below(chunks_, entry, path, Recursion::all,
                                    [this](const std::string& below, const Entry& child) {
                                        return visit_(Change::removed, below, child);
                                    });
    }

    ChunkReader& chunks_;
    Source& source_;
    const DiffVisitor& visit_;
    std::vector<Level> levels_;
};

}  // namespace

Status diff_live(ChunkReader& chunks, const Entry& root, Source& source, const DiffVisitor& visit) {
    return LiveDiffer(chunks, source, visit).run(root);
}

}  // namespace holdfast
