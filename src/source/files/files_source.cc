#include "source/files/files_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/file_io.h"
#include "base/string_sorter.h"
#include "source/files/file_metadata.h"

namespace holdfast {
namespace {

constexpr std::size_t batch_events = 256;
constexpr std::uint32_t fs_nodump = 0x40;

// A directory that stays open as long as an entry of it may have to be opened.
class OpenDirectory final : public SourceDirectory {
  public:
    OpenDirectory(UniqueFd fd, std::shared_ptr<OpenDirectory> parent, std::string name)
        : fd_(std::move(fd)), parent_(std::move(parent)), name_(std::move(name)) {}

    int fd() const { return fd_.get(); }
    std::string path() const override {
        if (!parent_) return name_;
        std::string above = parent_->path();
        return above.empty() ? name_ : above + '/' + name_;
    }

  private:
    UniqueFd fd_;
    // The parent stays open too: bounded by the depth of the tree.
    std::shared_ptr<OpenDirectory> parent_;
    std::string name_;
};

int fd_of(const SourceEvent& event) {
    const auto* directory = dynamic_cast<const OpenDirectory*>(event.parent.get());
    return directory == nullptr ? AT_FDCWD : directory->fd();
}

// O_NOATIME is for a file's owner and root only.
Result<UniqueFd> open_quietly(int directory, const std::string& name, int flags) {
    for (const int noatime : {O_NOATIME, 0}) {
        UniqueFd fd(::openat(directory, name.c_str(), flags | noatime | O_CLOEXEC | O_NOFOLLOW));
        if (fd.valid()) return fd;
        if (errno != EPERM) break;
    }
    return Error::from_errno(errno, "opening");
}

// Names of a directory, sorted: those of a huge one in a temporary file.
Status list_names(int fd, StringSorter& names) {
    struct Record {
        std::uint64_t inode;
        std::int64_t offset;
        unsigned short bytes;
        unsigned char type;
        char name[1];
    };
    alignas(8) char buffer[65536];
    for (;;) {
        const long count = ::syscall(SYS_getdents64, fd, buffer, sizeof buffer);
        if (count < 0) return Error::from_errno(errno, "reading the directory");
        if (count == 0) break;
        for (long i = 0; i < count;) {
            const auto* record = reinterpret_cast<const Record*>(buffer + i);
            i += record->bytes;
            const char* name = buffer + (i - record->bytes) + offsetof(Record, name);
            if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0))) continue;
            HF_TRY_STATUS(names.add(name));
        }
    }
    return names.finish();
}

class FilesStream final : public SourceStream {
  public:
    FilesStream(const std::string& root, const FilesOptions& options)
        : root_(root), options_(options) {}

    Status next(std::vector<SourceEvent>& batch) override {
        if (!started_) {
            started_ = true;
            HF_TRY_STATUS(start(batch));
        }
        while (!levels_.empty() && batch.size() < batch_events) HF_TRY_STATUS(step(batch));
        return {};
    }

  private:
    struct Level {
        std::shared_ptr<OpenDirectory> directory;
        StringSorter names;
        std::string path;      // relative, with a trailing slash; empty for the root
        std::uint64_t device = 0;
    };

    Status start(std::vector<SourceEvent>& batch) {
        HF_TRY(UniqueFd fd, open_file(root_, O_PATH | O_NOFOLLOW));
        HF_TRY(const struct statx info, stat_entry(fd.get(), ""));
        const std::uint64_t device = device_of(info);
        SourceEvent event;
        event.metadata = metadata_of(info, file_system_number(device));
        if (event.metadata.type != EntryType::directory) {
            event.name = root_;  // opened by its path: there is no directory to open it from
            batch.push_back(std::move(event));
            return {};
        }
        HF_TRY(UniqueFd directory, open_file(root_, O_RDONLY | O_DIRECTORY));
        HF_TRY_STATUS(enter(std::move(event), std::move(directory), nullptr, "", device, batch));
        if (options_.only) report_missing(batch);
        return {};
    }

    // Paths that were asked for by name and that the walk does not come to.
    void report_missing(std::vector<SourceEvent>& batch) {
        for (const std::string& path : *options_.only) {
            const Status there = is_reachable(path);
            if (!there.ok()) problem(path, there.error(), batch);
        }
    }

    // The walk follows no symbolic link, so neither may a path.
    Status is_reachable(const std::string& path) const {
        for (std::size_t end = 0; end != std::string::npos;) {
            end = path.find('/', end + 1);
            const std::string part = path.substr(0, end);
            struct stat info{};
            if (::lstat((root_ + '/' + part).c_str(), &info) != 0)
                return Error::from_errno(errno, "not there");
            if (end != std::string::npos && S_ISLNK(info.st_mode))
                return Error(ErrorCode::invalid_argument,
                             "'" + part + "' is a symbolic link, which is not followed");
        }
        return {};
    }

    static std::uint64_t device_of(const struct statx& info) {
        return identity_of(info).device;
    }

    std::uint32_t file_system_number(std::uint64_t device) {
        return file_systems_.try_emplace(device, static_cast<std::uint32_t>(file_systems_.size()))
            .first->second;
    }

    // Announces a directory and lists it.
    Status enter(SourceEvent event,
                 UniqueFd fd,
                 std::shared_ptr<OpenDirectory> parent,
                 std::string path,
                 std::uint64_t device,
                 std::vector<SourceEvent>& batch) {
        if (is_left_out(fd.get())) return {};
        Level level;
        HF_TRY_STATUS(list_names(fd.get(), level.names));
        level.directory =
            std::make_shared<OpenDirectory>(std::move(fd), std::move(parent), event.name);
        level.path = std::move(path);
        level.device = device;
        event.kind = SourceEventKind::enter;
        batch.push_back(std::move(event));
        levels_.push_back(std::move(level));
        return {};
    }

    // CACHEDIR.TAG (bford.info/cachedir) and --exclude-if-present.
    bool is_left_out(int fd) const {
        if (levels_.empty()) return false;  // the root was asked for by name
        for (const std::string& marker : options_.exclude_if_present)
            if (::faccessat(fd, marker.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return true;
        if (!options_.exclude_caches) return false;
        constexpr std::string_view signature = "Signature: 8a477f597d28d172789f06886806bc55";
        auto tag = open_quietly(fd, "CACHEDIR.TAG", O_RDONLY | O_NONBLOCK);
        if (!tag.ok()) return false;
        Bytes head(signature.size());
        const auto count = read_at(tag->get(), head, 0, "CACHEDIR.TAG");
        return count.ok() && *count == head.size() && as_text(head) == signature;
    }

    void problem(const std::string& path, const Error& error, std::vector<SourceEvent>& batch) {
        SourceEvent event;
        event.kind = SourceEventKind::problem;
        event.name = path;
        event.problem = error.message();
        batch.push_back(std::move(event));
    }

    // One name of the innermost directory, or its end.
    Status step(std::vector<SourceEvent>& batch) {
        Level& level = levels_.back();
        std::string name;
        HF_TRY(const bool is_name, level.names.next(name));
        if (!is_name) {
            SourceEvent event;
            event.kind = SourceEventKind::leave;
            batch.push_back(std::move(event));
            levels_.pop_back();
            return {};
        }
        const std::string path = level.path + name;
        if (is_wanted(path)) visit(std::move(name), path, batch);
        return {};
    }

    void visit(std::string name, const std::string& path, std::vector<SourceEvent>& batch) {
        const Level& level = levels_.back();
        auto info = stat_entry(level.directory->fd(), name.c_str());
        if (!info.ok()) {
            // Gone between listing and now: it was deleted, which is no problem.
            if (info.error().code() != ErrorCode::not_found) problem(path, info.error(), batch);
            return;
        }
        const std::uint64_t device = device_of(*info);
        const bool is_directory = S_ISDIR(info->stx_mode);
        if (excluded(path, *info, is_directory)) return;
        SourceEvent event;
        event.metadata = metadata_of(*info, file_system_number(device));
        if (options_.exclude_nodump && (event.metadata.attributes & fs_nodump) != 0) return;
        event.parent = level.directory;
        event.name = std::move(name);
        event.is_sparse = info->stx_blocks * 512 < info->stx_size;
        if (is_directory) return enter_child(std::move(event), path, device, batch);
        batch.push_back(std::move(event));
    }

    bool excluded(const std::string& path, const struct statx& info, bool is_directory) const {
        if (!options_.never_enter.empty() && is_directory &&
            options_.never_enter.contains(identity_of(info)))
            return true;
        if (options_.rules.empty()) return false;
        return options_.rules.match(path,
                                    is_directory ? ExcludeRules::EntryKind::directory
                                                 : ExcludeRules::EntryKind::other) ==
               ExcludeRules::Match::excluded;
    }

    void enter_child(SourceEvent event,
                     const std::string& path,
                     std::uint64_t device,
                     std::vector<SourceEvent>& batch) {
        Level& level = levels_.back();
        if (options_.one_file_system && device != level.device) {
            // The mount point itself is kept, empty.
            event.kind = SourceEventKind::enter;
            batch.push_back(std::move(event));
            SourceEvent leave;
            leave.kind = SourceEventKind::leave;
            batch.push_back(std::move(leave));
            return;
        }
        auto fd = open_quietly(level.directory->fd(), event.name, O_RDONLY | O_DIRECTORY);
        if (!fd.ok()) {
            if (fd.error().code() != ErrorCode::not_found) problem(path, fd.error(), batch);
            return;
        }
        const auto parent = level.directory;
        const Status entered = enter(
            std::move(event), std::move(fd).value(), parent, path + '/', device, batch);
        if (!entered.ok()) problem(path, entered.error(), batch);
    }

    // With --files-from0: the path itself, what is below it, and the directories above it.
    bool is_wanted(const std::string& path) const {
        if (!options_.only) return true;
        const std::vector<std::string>& only = *options_.only;
        const auto at = std::lower_bound(only.begin(), only.end(), path);
        if (at != only.end() &&
            (*at == path || (at->starts_with(path) && at->size() > path.size() &&
                             (*at)[path.size()] == '/')))
            return true;
        // "a/" sorts after "a-b" and before "a0": the directory below which `path` may be is found by
        // its own prefixes; a later candidate for "above" by the bound of path + '/'.
        const auto below = std::lower_bound(only.begin(), only.end(), path + '/');
        if (below != only.end() && below->starts_with(path + '/')) return true;
        for (std::size_t slash = path.find('/'); slash != std::string::npos;
             slash = path.find('/', slash + 1))
            if (std::binary_search(only.begin(), only.end(),
                                   path.substr(0, slash)))
                return true;
        return false;
    }

    const std::string& root_;
    const FilesOptions& options_;
    bool started_ = false;
    std::vector<Level> levels_;
    std::map<std::uint64_t, std::uint32_t> file_systems_;
};

class OpenFile final : public SourceFile {
  public:
    OpenFile(UniqueFd fd, std::uint32_t file_system)
        : fd_(std::move(fd)), file_system_(file_system) {}

    Result<Metadata> metadata() override {
        HF_TRY(const struct statx info, stat_entry(fd_.get(), ""));
        if (!S_ISREG(info.stx_mode))
            return Error(ErrorCode::conflict, "no longer a regular file");
        Metadata complete = metadata_of(info, file_system_);
        HF_TRY(complete.xattrs, xattrs());
        return complete;
    }

    Result<std::vector<ExtendedAttribute>> xattrs() override { return read_xattrs(fd_.get()); }

    Result<bool> has_changed(const Metadata& seen) override {
        HF_TRY(const struct statx info, stat_entry(fd_.get(), ""));
        const Metadata now = metadata_of(info, file_system_);
        return now.size != seen.size || now.mtime != seen.mtime || now.ctime != seen.ctime ||
               now.inode != seen.inode || now.type != seen.type;
    }

    Result<std::vector<SourceExtent>> extents(std::uint64_t bytes) override {
        std::vector<SourceExtent> list;
        // As many blocks as it has bytes: no holes, and no need to look for them.
        HF_TRY(const struct statx info, stat_entry(fd_.get(), ""));
        if (info.stx_blocks * 512 >= bytes) {
            if (bytes != 0) list.push_back({0, bytes, false});
            return list;
        }
        std::uint64_t position = 0;
        while (position < bytes) {
            const off_t data = ::lseek(fd_.get(), static_cast<off_t>(position), SEEK_DATA);
            const std::uint64_t data_start =
                data < 0 ? bytes : std::min(bytes, static_cast<std::uint64_t>(data));
            if (data < 0 && errno != ENXIO) return Error::from_errno(errno, "finding holes");
            if (data_start > position) list.push_back({position, data_start - position, true});
            if (data_start == bytes) break;
            const off_t hole = ::lseek(fd_.get(), static_cast<off_t>(data_start), SEEK_HOLE);
            if (hole < 0) return Error::from_errno(errno, "finding holes");
            const std::uint64_t end = std::min(bytes, static_cast<std::uint64_t>(hole));
            if (end <= data_start) break;
            list.push_back({data_start, end - data_start, false});
            position = end;
        }
        return list;
    }

    Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override {
        return read_at(fd_.get(), out, offset, "reading");
    }

  private:
    UniqueFd fd_;
    const std::uint32_t file_system_;
};

}  // namespace

Result<std::unique_ptr<FilesSource>> FilesSource::open_root(const std::string& root,
                                                            FilesOptions options) {
    if (root.empty() || root[0] != '/')
        return Error(ErrorCode::invalid_argument, "not an absolute path: '" + root + "'");
    struct stat info{};
    if (::lstat(root.c_str(), &info) != 0) return Error::from_errno(errno, root);
    if (options.only) std::sort(options.only->begin(), options.only->end());
    return std::unique_ptr<FilesSource>(new FilesSource(root, std::move(options)));
}

Result<std::unique_ptr<SourceStream>> FilesSource::walk() {
    return std::unique_ptr<SourceStream>(std::make_unique<FilesStream>(root_, options_));
}

Result<std::unique_ptr<SourceFile>> FilesSource::open(const SourceEvent& event) {
    // O_NONBLOCK: what was a file may be a FIFO by now.
    HF_TRY(UniqueFd fd, open_quietly(fd_of(event), event.name, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    return std::unique_ptr<SourceFile>(
        std::make_unique<OpenFile>(std::move(fd), event.metadata.file_system));
}

Status FilesSource::complete(const SourceEvent& event, Metadata& metadata) {
    const int directory = fd_of(event);
    // A path through the open directory: short, and safe from renames above it.
    const std::string path = event.name.empty()    ? root_
                             : directory == AT_FDCWD ? event.name
                                                     : "/proc/self/fd/" + std::to_string(directory) +
                                                           '/' + event.name;
    if (metadata.type == EntryType::symlink) {
        std::string target(4096, '\0');
        const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
        if (size < 0) return Error::from_errno(errno, "reading the link");
        target.resize(static_cast<std::size_t>(size));
        metadata.target = std::move(target);
    }
    HF_TRY(metadata.xattrs, read_xattrs(path));
    return {};
}

}  // namespace holdfast
