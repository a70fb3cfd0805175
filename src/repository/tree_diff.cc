#include "repository/tree_diff.h"

namespace holdfast {
namespace {

// What a user calls the same: times of reading and numbers of inodes do not count.
bool same_metadata(Metadata a, Metadata b) {
    a.ctime = b.ctime;
    a.inode = b.inode;
    a.file_system = b.file_system;
    return a == b;
}

class Differ {
  public:
    Differ(ChunkReader& chunks, const DiffVisitor& visit) : chunks_(chunks), visit_(visit) {}

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

  private:
    Status pair(const Entry* a, const Entry* b, const std::string& directory) {
        const std::string path = join_path(directory, a != nullptr ? a->name : b->name);
        const auto is_directory = [](const Entry* e) {
            return e != nullptr && e->metadata.type == EntryType::directory;
        };
        if (a == nullptr) HF_TRY_STATUS(visit_(Change::added, path, *b));
        else if (b == nullptr) HF_TRY_STATUS(visit_(Change::removed, path, *a));
        else if (a->metadata.type != b->metadata.type ||
                 (!is_directory(a) && a->content != b->content))
            HF_TRY_STATUS(visit_(Change::modified, path, *b));
        else if (!same_metadata(a->metadata, b->metadata))
            HF_TRY_STATUS(visit_(Change::metadata_only, path, *b));
        if (!is_directory(a) && !is_directory(b)) return {};
        return directories(is_directory(a) ? a : nullptr, is_directory(b) ? b : nullptr, path);
    }

    ChunkReader& chunks_;
    const DiffVisitor& visit_;
};

}  // namespace

Status diff_trees(ChunkReader& chunks, const Entry& a, const Entry& b, const DiffVisitor& visit) {
    return Differ(chunks, visit).directories(&a, &b, "");
}

}  // namespace holdfast
