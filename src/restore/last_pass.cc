#include "restore/last_pass.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "crypto/digest.h"
#include "repository/tree_reader.h"
#include "restore/special_file.h"

namespace holdfast {
namespace {

DiskMap::Key link_key(const Metadata& metadata) {
    return {metadata.file_system, metadata.inode};
}

}  // namespace

DiskMap::Key path_key(const std::string& path) {
    const Digest digest = plain_hash(as_bytes(path));
    DiskMap::Key key;
    std::memcpy(&key, digest.bytes.data(), sizeof key);
    return key;
}

Result<bool> LastPass::is_first_name(const Metadata& metadata, const std::string& path) {
    return names_.insert(link_key(metadata), as_bytes(path));
}

Status LastPass::add_directory(const std::string& path) {
    HF_TRY_STATUS(directories_.insert(path_key(path), {}));
    return {};
}

Status LastPass::run(const std::shared_ptr<TargetDirectory>& target, const Entry& entry) {
    root_ = target;
    return entry.metadata.type == EntryType::directory ? directory(target, entry) : child(target, entry);
}

Status LastPass::directory(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry) {
    HF_TRY_STATUS(for_each_entry(chunks_, entry, [this, &directory](const Entry& next) { return child(directory, next); }));
    const Status applied = apply_metadata_now(*directory, entry.metadata);
    if (!applied.ok()) restorer_.problem(applied.error());
    return {};
}

Status LastPass::child(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry) {
    HF_TRY_STATUS(restorer_.check());
    if (entry.metadata.type == EntryType::directory) return child_directory(directory, entry);
    Status made;
    if (entry.metadata.has_links) made = make_link(directory, entry);
    else if (entry.metadata.type != EntryType::file) made = make_special(*directory, entry);
    if (!made.ok()) restorer_.problem(made.error());
    return {};
}

Status LastPass::child_directory(const std::shared_ptr<TargetDirectory>& above, const Entry& entry) {
    const std::size_t length = path_.size();
    path_ += entry.name;
    Status done;
    HF_TRY(const auto wanted, directories_.find(path_key(path_)));
    if (wanted) {
        const auto opened = TargetDirectory::open_child(above, entry.name);
        path_ += '/';
        if (opened.ok()) done = directory(*opened, entry);
        else restorer_.problem(opened.error());
    }
    path_.resize(length);
    return done;
}

Status LastPass::make_special(TargetDirectory& directory, const Entry& entry) {
    ++progress_.entries;
    HF_TRY_STATUS(make_special_file(directory, entry, overwrite_));
    ++others_;
    return apply_metadata_at(directory, entry.name, entry.metadata);
}

Status LastPass::make_link(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry) {
    const std::string own = path_ + entry.name;
    const DiskMap::Key key = link_key(entry.metadata);
    HF_TRY_STATUS(names_.insert(key, as_bytes(own)));
    HF_TRY(const auto found, names_.find(key));
    if (!found) return Error(ErrorCode::internal, "a hard link was forgotten");
    const std::string first(as_text(*found));
    const bool is_file = entry.metadata.type == EntryType::file;
    if (first == own) return is_file ? ok_status() : make_special(*directory, entry);
    if (restorer_.has_failed(root_->path() + '/' + first))
        return Error(ErrorCode::conflict, directory->path() + '/' + entry.name +
                                              ": not restored, for it is the same file as " + first);
    ++progress_.entries;
    HF_TRY_STATUS(link_to(first, directory, entry.name));
    ++(is_file ? files_ : others_);
    return {};
}

Status LastPass::link_to(const std::string& first,
                         const std::shared_ptr<TargetDirectory>& directory,
                         const std::string& name) {
    // Down from the target, one component at a time.
    std::shared_ptr<TargetDirectory> from = root_;
    std::size_t begin = 0;
    for (std::size_t end; (end = first.find('/', begin)) != std::string::npos; begin = end + 1) {
        HF_TRY(from, TargetDirectory::open_child(from, first.substr(begin, end - begin)));
    }
    const char* old_name = first.c_str() + begin;
    int result = ::linkat(from->fd(), old_name, directory->fd(), name.c_str(), 0);
    if (result != 0 && errno == EEXIST && overwrite_ != Overwrite::never) {
        HF_TRY_STATUS(directory->remove_tree(name));
        result = ::linkat(from->fd(), old_name, directory->fd(), name.c_str(), 0);
    }
    if (result != 0) return Error::from_errno(errno, directory->path() + '/' + name);
    return {};
}

}  // namespace holdfast
