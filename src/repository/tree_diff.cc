#include "repository/tree_diff.h"

namespace holdfast {
namespace {

bool is_directory(const Entry* entry) {
    return entry != nullptr && entry->metadata.type == EntryType::directory;
}

class Differ {
  public:
    Differ(ChunkReader& chunks, const DiffVisitor& visit) : chunks_(chunks), visit_(visit) {}

    Status roots(const Entry& a, const Entry& b) {
        HF_TRY_STATUS(report(&a, &b, root_path(b)));
        return below(&a, &b, "");
    }

  private:
    Status directories(const Entry* a, const Entry* b, const std::string& path) {
        if (a != nullptr && b != nullptr && a->content == b->content) return {};
        HF_TRY(EntryStream left, EntryStream::open(chunks_, a));
        HF_TRY(EntryStream right, EntryStream::open(chunks_, b));
        for (;;) {
            HF_TRY(const Entry* const l, left.peek());
            HF_TRY(const Entry* const r, right.peek());
            if (l == nullptr && r == nullptr) return {};
            const int order = l == nullptr ? 1 : r == nullptr ? -1 : l->name.compare(r->name);
            HF_TRY_STATUS(pair(order <= 0 ? l : nullptr, order >= 0 ? r : nullptr, path));
            if (order <= 0) left.advance();
            if (order >= 0) right.advance();
        }
    }

    Status pair(const Entry* a, const Entry* b, const std::string& directory) {
        const std::string path = join_path(directory, a != nullptr ? a->name : b->name);
        HF_TRY_STATUS(report(a, b, path));
        return below(a, b, path);
    }

    Status report(const Entry* a, const Entry* b, const std::string& path) {
        if (a == nullptr) return visit_(Change::added, path, *b);
        if (b == nullptr) return visit_(Change::removed, path, *a);
        if (a->metadata.type != b->metadata.type || a->metadata.target != b->metadata.target ||
            (!is_directory(a) && a->content != b->content))
            return visit_(Change::modified, path, *b);
        if (same_metadata(a->metadata, b->metadata)) return {};
        return visit_(Change::metadata_only, path, *b);
    }

    Status below(const Entry* a, const Entry* b, const std::string& path) {
        if (!is_directory(a) && !is_directory(b)) return {};
        return directories(is_directory(a) ? a : nullptr, is_directory(b) ? b : nullptr, path);
    }

    ChunkReader& chunks_;
    const DiffVisitor& visit_;
};

}  // namespace

bool same_metadata(Metadata a, Metadata b) {
    a.ctime = b.ctime;
    a.inode = b.inode;
    a.file_system = b.file_system;
    return a == b;
}

std::string root_path(const Entry& root) {
    return is_directory(&root) ? "." : root.name;
}

Status diff_trees(ChunkReader& chunks, const Entry& a, const Entry& b, const DiffVisitor& visit) {
    return Differ(chunks, visit).roots(a, b);
}

}  // namespace holdfast
