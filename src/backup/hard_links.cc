#include "backup/hard_links.h"

#include "format/node.h"

namespace holdfast {
namespace {

DiskMap::Key key_of(const Metadata& metadata) {
    return {metadata.file_system, metadata.inode};
}

}  // namespace

Result<HardLinks::Known> HardLinks::find(const Metadata& metadata) const {
    Known known;
    const auto found = pending_.find(key_of(metadata));
    if (found != pending_.end()) {
        known.pending = found->second;
        return known;
    }
    HF_TRY(const auto leaf, stored_.find(key_of(metadata)));
    if (!leaf) return known;
    HF_TRY(auto entries, decode_directory_leaf(*leaf));
    HF_CHECK(entries.size() == 1);
    known.stored = std::move(entries[0]);
    return known;
}

void HardLinks::begin(std::shared_ptr<FileTask> task) {
    const DiskMap::Key key = key_of(task->event.metadata);
    pending_.emplace(key, std::move(task));
}

Status HardLinks::finish(const FileTask& task) {
    const DiskMap::Key key = key_of(task.event.metadata);
    pending_.erase(key);
    const Entry* kept = task.kept();
    if (kept == nullptr) return {};
    DirectoryLeafWriter leaf;
    leaf.add(*kept);
    HF_TRY_STATUS(stored_.insert(key, leaf.finish()));
    return {};
}

}  // namespace holdfast
