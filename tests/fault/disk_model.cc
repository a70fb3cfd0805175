#include "fault/disk_model.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "base/file_io.h"

namespace holdfast {
namespace {

using Kind = SystemCall::Kind;

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Written through a shared mapping.
bool is_mapped(const std::string& path) { return path.ends_with("/members"); }

void write_file(const std::string& path, const Bytes& content) {
    const auto fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    // A table that was only made long is all zeros: a hole costs less.
    const bool is_hole = content.size() >= 65536 && std::all_of(content.begin(), content.end(),
                                                                [](std::uint8_t b) { return b == 0; });
    const bool done = fd.ok() && (is_hole ? ::ftruncate(fd->get(), static_cast<off_t>(content.size())) == 0
                                          : write_all(fd->get(), content, path.c_str()).ok());
    if (!done) throw std::runtime_error("cannot write " + path);
}

}  // namespace

const char* name_of(CrashState state) {
    static constexpr const char* names[] = {"all written", "only synced", "torn"};
    return names[static_cast<std::size_t>(state)];
}

void DiskModel::apply(const SystemCall& call) {
    switch (call.kind) {
        case Kind::create: {
            const auto node = std::make_shared<Node>();
            files_[call.file] = node;
            return change_name({node, "", call.path});
        }
        case Kind::make_directory: {
            const auto node = std::make_shared<Node>();
            node->is_directory = true;
            return change_name({node, "", call.path});
        }
        case Kind::write:
        case Kind::resize: return change_content(call);
        case Kind::sync_file:
            if (files_.contains(call.file)) sync_content(*files_.at(call.file));
            return;
        case Kind::sync_directory: return sync_names(&call.path);
        case Kind::sync_all:
            for (const auto& [number, node] : files_) sync_content(*node);
            return sync_names(nullptr);
        case Kind::rename: return change_name({now_.at(call.path), call.path, call.target});
        case Kind::exchange:
            return change_name({now_.at(call.path), call.path, call.target, now_.at(call.target)});
        case Kind::link: return change_name({now_.at(call.path), "", call.target});
        case Kind::remove: return change_name({now_.at(call.path), call.path, ""});
    }
}

DiskModel DiskModel::as_synced(const Recording::Files& numbers) const {
    DiskModel copy;
    for (const auto& [name, node] : now_) {
        const auto synced = std::make_shared<Node>(*node);
        sync_content(*synced);
        copy.now_.emplace(name, synced);
        if (const auto found = numbers.find(name); found != numbers.end()) copy.files_[found->second] = synced;
    }
    copy.synced_ = copy.now_;
    return copy;
}

// Of the node that the change is of: a name that is another's by now stays.
void DiskModel::apply(Names& names, const NameChange& change) {
    if (!change.from.empty()) {
        const auto found = names.find(change.from);
        if (found != names.end() && found->second == change.node) names.erase(found);
    }
    if (!change.to.empty()) names[change.to] = change.node;
    if (change.other != nullptr) names[change.from] = change.other;
}

void DiskModel::apply(Bytes& content, const Change& change) {
    if (change.is_resize) return content.resize(static_cast<std::size_t>(change.offset));
    const std::size_t end = static_cast<std::size_t>(change.offset) + change.data->size();
    if (content.size() < end) content.resize(end);
    std::copy(change.data->begin(), change.data->end(),
              content.begin() + static_cast<std::ptrdiff_t>(change.offset));
}

void DiskModel::change_name(NameChange change) {
    apply(now_, change);
    unsynced_.push_back(std::move(change));
}

void DiskModel::change_content(const SystemCall& call) {
    const auto found = files_.find(call.file);
    if (found == files_.end()) return;  // it was removed
    Change change{call.kind == Kind::resize, call.offset, std::make_shared<const Bytes>(call.data)};
    apply(found->second->now, change);
    found->second->unsynced.push_back(std::move(change));
}

void DiskModel::sync_content(Node& node) {
    if (node.unsynced.empty()) return;
    node.synced = node.now;
    node.unsynced.clear();
}

// Those in the directory (or all), and earlier ones of the same names.
void DiskModel::sync_names(const std::string* directory) {
    std::set<std::string> needed;
    std::vector<bool> is_synced(unsynced_.size());
    for (std::size_t i = unsynced_.size(); i-- > 0;) {
        const NameChange& change = unsynced_[i];
        for (const std::string* name : {&change.from, &change.to})
            if (!name->empty() &&
                (directory == nullptr || parent_of(*name) == *directory || needed.contains(*name)))
                is_synced[i] = true;
        if (!is_synced[i]) continue;
        needed.insert(change.from);
        needed.insert(change.to);
    }
    std::vector<NameChange> left;
    for (std::size_t i = 0; i < unsynced_.size(); ++i) {
        if (is_synced[i]) apply(synced_, unsynced_[i]);
        else left.push_back(std::move(unsynced_[i]));
    }
    unsynced_ = std::move(left);
}

// Some of the changes, each only after the earlier ones of its names.
DiskModel::Names DiskModel::torn_names(std::mt19937_64& random) const {
    const std::uint64_t percent = random() % 101;
    Names names = synced_;
    std::set<std::string> blocked;
    for (const NameChange& change : unsynced_) {
        if (random() % 100 < percent && !blocked.contains(change.from) && !blocked.contains(change.to)) {
            apply(names, change);
            continue;
        }
        if (!change.from.empty()) blocked.insert(change.from);
        if (!change.to.empty()) blocked.insert(change.to);
    }
    return names;
}

Bytes DiskModel::torn_content(const std::string& name, const Node& node, std::mt19937_64& random) {
    constexpr std::uint64_t sector = 512;
    Bytes content = node.synced;
    const std::uint64_t percent = random() % 101;
    for (const Change& change : node.unsynced) {
        if (random() % 100 >= percent) continue;
        Change part = change;
        if (!change.is_resize && random() % 4 == 0) {
            Bytes data = *change.data;
            std::uint64_t left = random() % (data.size() + 1);
            if (random() % 2 == 0) left = left / sector * sector;
            data.resize(static_cast<std::size_t>(left));
            part.data = std::make_shared<const Bytes>(std::move(data));
        }
        apply(content, part);
    }
    if (!node.unsynced.empty() && random() % 2 == 0) content.resize(node.now.size());
    if (is_mapped(name))
        for (std::size_t i = 0; i < std::min<std::size_t>(content.size(), 4096); ++i)
            content[i] = static_cast<std::uint8_t>(random());
    return content;
}

void DiskModel::write_to(const std::string& directory, CrashState state, std::uint64_t seed) const {
    std::mt19937_64 random(seed);
    const Names names = state == CrashState::all_written   ? now_
                        : state == CrashState::only_synced ? synced_
                                                           : torn_names(random);
    std::set<std::string> directories{""};
    if (::mkdir(directory.c_str(), 0700) != 0) throw std::runtime_error("cannot make " + directory);
    // Sorted: a directory comes before what is in it.
    for (const auto& [name, node] : names) {
        if (!directories.contains(parent_of(name))) continue;  // what it is in is not there
        const std::string path = directory + '/' + name;
        if (node->is_directory) {
            directories.insert(name);
            if (::mkdir(path.c_str(), 0700) != 0) throw std::runtime_error("cannot make " + path);
        } else if (state == CrashState::torn && !node->unsynced.empty()) {
            write_file(path, torn_content(name, *node, random));
        } else {
            write_file(path, state == CrashState::only_synced ? node->synced : node->now);
        }
    }
}

}  // namespace holdfast
