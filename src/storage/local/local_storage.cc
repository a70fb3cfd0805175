#include "storage/local/local_storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/aligned_buffer.h"
#include "base/file_io.h"
#include "base/random.h"

namespace holdfast {
namespace {

constexpr std::size_t max_unsynced_files = 64;
constexpr std::size_t max_open_files = 64;
// One write. Not tuned by measurement: two writers hold one such buffer each.
constexpr std::size_t buffer_bytes = 2u << 20;

std::string parent_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

struct DirectoryCloser {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

// Names in a directory, sorted; empty when there is none.
Result<std::vector<std::pair<std::string, bool>>> read_directory(const std::string& path) {
    std::vector<std::pair<std::string, bool>> names;
    const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(path.c_str()));
    if (!directory) {
        if (errno == ENOENT) return names;
        return Error::from_errno(errno, path);
    }
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr) break;
        const std::string name = entry->d_name;
        if (name == "." || name == "..") continue;
        bool is_directory = entry->d_type == DT_DIR;
        if (entry->d_type == DT_UNKNOWN) {
            struct stat info{};
            is_directory = ::lstat((path + '/' + name).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
        }
        names.emplace_back(name, is_directory);
    }
    if (errno != 0) return Error::from_errno(errno, path);
    std::sort(names.begin(), names.end());
    return names;
}

// Nothing of a user's may be mixed with a repository's objects, which are removed by their names.
Status check_empty(const std::string& root) {
    const Error error(ErrorCode::already_exists, root + ": the directory is not empty");
    HF_TRY(const auto names, read_directory(root));
    for (const auto& [name, is_directory] : names) {
        // The root of a new ext4 file system is empty to its user.
        if (name == "lost+found") continue;
        // What an init that was killed leaves: key slots, and temporary files.
        if (name != "keys" && name != "tmp") return error;
        HF_TRY(const auto inner, read_directory(root + '/' + name));
        // <32>, or what open_temporary() names: <16>-<number>.
        const std::size_t digits = name == "keys" ? 32 : 16;
        for (const auto& [object, is_folder] : inner)
            if (is_folder || from_hex(std::string_view(object).substr(0, digits)).size() != digits / 2)
                return error;
    }
    return {};
}

}  // namespace

// Collects pieces into an aligned buffer and writes whole blocks around the page cache.
class LocalStorage::Writer final : public ObjectWriter {
  public:
    Writer(LocalStorage& storage,
           std::string name,
           Existing existing,
           std::string temporary,
           UniqueFd fd)
        : storage_(storage),
          name_(std::move(name)),
          existing_(existing),
          temporary_(std::move(temporary)),
          fd_(std::move(fd)) {}
    ~Writer() override {
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }

    Status append(ByteSpan data) override {
        while (!data.empty()) {
            const std::size_t part = std::min(data.size(), buffer_bytes - used_);
            std::copy_n(data.begin(), part, buffer_.span().begin() + static_cast<std::ptrdiff_t>(used_));
            used_ += part;
            data = data.subspan(part);
            if (used_ == buffer_bytes) HF_TRY_STATUS(flush(buffer_bytes));
        }
        return {};
    }

    Status commit(Durability durability) override {
        const std::size_t whole_blocks = used_ / direct_block_bytes * direct_block_bytes;
        HF_TRY_STATUS(flush(whole_blocks));
        if (used_ != 0) {
            // The rest is no whole block: through the page cache.
            const int flags = ::fcntl(fd_.get(), F_GETFL);
            if (flags < 0 || ::fcntl(fd_.get(), F_SETFL, flags & ~O_DIRECT) != 0)
                return Error::from_errno(errno, temporary_);
            HF_TRY_STATUS(flush(used_));
        }
        Status published =
            storage_.publish(temporary_, name_, std::move(fd_), durability, existing_);
        if (!published.ok()) return storage_.explain(std::move(published).error());
        temporary_.clear();
        return {};
    }

  private:
    // Writes the first `count` bytes of the buffer and moves the rest to its start.
    Status flush(std::size_t count) {
        if (count == 0) return {};
        HF_TRY_STATUS(write_at(fd_.get(), buffer_.span().first(count), written_, name_.c_str()));
        written_ += count;
        const MutableByteSpan rest = buffer_.span().subspan(count, used_ - count);
        std::copy(rest.begin(), rest.end(), buffer_.span().begin());
        used_ -= count;
        return {};
    }

    LocalStorage& storage_;
    const std::string name_;
    const Existing existing_;
    std::string temporary_;
    UniqueFd fd_;
    const AlignedBuffer buffer_{buffer_bytes};
    std::size_t used_ = 0;
    std::uint64_t written_ = 0;
};

LocalStorage::LocalStorage(std::string root) : root_(std::move(root)) {}

Result<std::unique_ptr<Storage>> LocalStorage::open(const std::string& path, OpenMode mode) {
    if (path.empty()) return Error(ErrorCode::invalid_argument, "the repository's path is empty");
    std::string root = path;
    while (root.size() > 1 && root.back() == '/') root.pop_back();
    if (mode == OpenMode::create) {
        HF_TRY_STATUS(make_durable_directories(root, 0700));
        HF_TRY_STATUS(check_empty(root));
    }
    struct stat info{};
    if (::stat(root.c_str(), &info) != 0) return Error::from_errno(errno, root);
    if (!S_ISDIR(info.st_mode))
        return Error(mode == OpenMode::existing ? ErrorCode::not_found : ErrorCode::invalid_argument,
                     root + ": not a directory");
    return std::unique_ptr<Storage>(new LocalStorage(std::move(root)));
}

Error LocalStorage::explain(Error error) const {
    if (error.code() != ErrorCode::permission_denied) return error;
    for (const std::string& directory : {root_, path_of("tmp")})
        if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0 &&
            errno != ENOENT)
            return Error::from_errno(errno, "the repository " + root_ + " cannot be written");
    return error;
}

Result<std::pair<std::string, UniqueFd>> LocalStorage::open_temporary(int flags) {
    HF_TRY_STATUS(ensure_directory("tmp"));
    remove_leftovers();
    for (;;) {
        std::uint64_t number;
        {
            std::lock_guard lock(mutex_);
            number = ++temporaries_;
        }
        std::string path = path_of("tmp/") + to_hex(system_random().array<8>()) + '-' +
                           std::to_string(number);
        HF_TRY(UniqueFd fd, open_file(path, O_RDWR | O_CREAT | O_EXCL | flags, 0600));
        struct stat info{};
        // Another process may have taken it for a leftover before it was locked, and has removed it or is about
        // to. Some file systems have no locks: nothing is removed there.
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) continue;
        if (::fstat(fd.get(), &info) != 0) return Error::from_errno(errno, path);
        if (info.st_nlink != 0) return std::pair(std::move(path), std::move(fd));
    }
}

Status LocalStorage::ensure_directory(const std::string& directory) {
    {
        std::lock_guard lock(mutex_);
        if (known_directories_.contains(directory)) return {};
    }
    HF_TRY_STATUS(make_directories(path_of(directory), 0700));
    std::lock_guard lock(mutex_);
    known_directories_.insert(directory);
    note_unsynced(directory);
    return {};
}

// A new directory is durable once all directories above it are.
void LocalStorage::note_unsynced(std::string directory) {
    for (; directory.find('/') != std::string::npos; directory = parent_of(directory))
        unsynced_directories_.insert(path_of(parent_of(directory)));
    unsynced_directories_.insert(root_);
}

Status LocalStorage::take_name(const std::string& temporary,
                               const std::string& name,
                               Existing existing) {
    const std::string path = path_of(name);
    if (existing == Existing::replace) {
        // rename() would bring back what somebody has removed.
        if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) {
            ::unlink(temporary.c_str());
        } else {
            if (errno != EINVAL && errno != ENOSYS) return Error::from_errno(errno, path);
            // A file system without exchange: a moment is left in which a removal is undone.
            HF_TRY_STATUS(head(name));
            if (::rename(temporary.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
        }
        std::lock_guard lock(mutex_);
        open_files_.erase(name);
        return {};
    }
    // link() refuses a name that is taken, which rename() does not.
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
        if (errno != EINVAL && errno != ENOSYS) return Error::from_errno(errno, path);
        if (::link(temporary.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
        ::unlink(temporary.c_str());
    }
    return {};
}

Status LocalStorage::publish(const std::string& temporary,
                             const std::string& name,
                             UniqueFd fd,
                             Durability durability,
                             Existing existing) {
    const std::string path = path_of(name);
    const std::string directory = parent_of(name);
    if (durability == Durability::immediate && ::fsync(fd.get()) != 0)
        return Error::from_errno(errno, path);
    for (int tries_left = 3;; --tries_left) {
        if (directory != name) HF_TRY_STATUS(ensure_directory(directory));
        Status taken = take_name(temporary, name, existing);
        if (taken.ok()) break;
        // Somebody has removed the last object of the directory, and the directory.
        if (taken.error().code() != ErrorCode::not_found || existing == Existing::replace || tries_left == 0)
            return taken;
        const std::lock_guard lock(mutex_);
        known_directories_.erase(directory);
    }
    if (durability == Durability::none) return {};
    bool early_barrier = false;
    {
        std::lock_guard lock(mutex_);
        unsynced_directories_.insert(parent_of(path));
        if (durability == Durability::deferred)
            unsynced_files_.emplace_back(path, std::move(fd));
        early_barrier = unsynced_files_.size() >= max_unsynced_files;
    }
    if (durability == Durability::immediate || early_barrier) return barrier();
    return {};
}

Status LocalStorage::put(const std::string& name, ByteSpan data, Durability durability) {
    auto opened = open_temporary(0);
    if (!opened.ok()) return explain(std::move(opened).error());
    auto& [temporary, fd] = *opened;
    Status written = write_all(fd.get(), data, name.c_str());
    if (written.ok()) written = publish(temporary, name, std::move(fd), durability, Existing::refuse);
    if (written.ok()) return {};
    ::unlink(temporary.c_str());
    return explain(std::move(written).error());
}

Result<std::unique_ptr<ObjectWriter>> LocalStorage::begin(const std::string& name) {
    return begin_writer(name, Existing::refuse);
}

Result<std::unique_ptr<ObjectWriter>> LocalStorage::begin_again(const std::string& name) {
    return begin_writer(name, Existing::replace);
}

Result<std::unique_ptr<ObjectWriter>> LocalStorage::begin_writer(const std::string& name,
                                                                 Existing existing) {
    auto opened = open_temporary(O_DIRECT);
    // Some file systems have no O_DIRECT.
    if (!opened.ok() && opened.error().code() == ErrorCode::invalid_argument)
        opened = open_temporary(0);
    if (!opened.ok()) return explain(std::move(opened).error());
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(
        *this, name, existing, std::move(opened->first), std::move(opened->second)));
}

Status LocalStorage::barrier() {
    // Who comes while another one syncs waits for it: that one has taken away what this one relies on.
    const std::lock_guard one_at_a_time(barrier_mutex_);
    std::vector<std::pair<std::string, UniqueFd>> files;
    std::set<std::string> directories, shrunk;
    {
        std::lock_guard lock(mutex_);
        if (lost_) return *lost_;
        files.swap(unsynced_files_);
        directories.swap(unsynced_directories_);
        shrunk.swap(shrunk_directories_);
    }
    Status synced;
    for (const auto& [path, fd] : files)
        if (::fsync(fd.get()) != 0 && synced.ok()) synced = Error::from_errno(errno, path);
    const bool is_lost = !synced.ok();
    std::set<std::string> left;
    for (const std::string& directory : directories) {
        Status done = sync_directory(directory);
        // Gone with all that was in it: somebody has removed that.
        if (done.ok() || done.error().code() == ErrorCode::not_found) continue;
        left.insert(directory);
        if (synced.ok()) synced = std::move(done);
    }
    if (synced.ok()) remove_empty(shrunk);
    // What stands in them may be found and relied upon: the next barrier is of them too.
    std::lock_guard lock(mutex_);
    unsynced_directories_.merge(left);
    if (is_lost) lost_ = synced.error();
    return synced;
}

Status LocalStorage::adopt(const std::string& name) {
    HF_TRY(UniqueFd fd, open_file(path_of(name), O_RDONLY));
    bool early_barrier = false;
    {
        std::lock_guard lock(mutex_);
        note_unsynced(name);
        unsynced_files_.emplace_back(path_of(name), std::move(fd));
        early_barrier = unsynced_files_.size() >= max_unsynced_files;
    }
    return early_barrier ? barrier() : ok_status();
}

Result<std::shared_ptr<UniqueFd>> LocalStorage::open_for_reading(const std::string& name) {
    {
        std::lock_guard lock(mutex_);
        const auto found = open_files_.find(name);
        if (found != open_files_.end()) {
            found->second.second = ++uses_;
            return found->second.first;
        }
    }
    HF_TRY(UniqueFd fd, open_file(path_of(name), O_RDONLY));
    auto shared = std::make_shared<UniqueFd>(std::move(fd));
    std::lock_guard lock(mutex_);
    if (open_files_.size() >= max_open_files) {
        const auto oldest = std::min_element(
            open_files_.begin(), open_files_.end(),
            [](const auto& a, const auto& b) { return a.second.second < b.second.second; });
        open_files_.erase(oldest);
    }
    open_files_[name] = {shared, ++uses_};
    return shared;
}

Result<std::size_t> LocalStorage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    HF_TRY(const std::shared_ptr<UniqueFd> fd, open_for_reading(name));
    return read_at(fd->get(), out, offset, name.c_str());
}

Result<Bytes> LocalStorage::get(const std::string& name, std::uint64_t limit_bytes) {
    HF_TRY(const std::shared_ptr<UniqueFd> fd, open_for_reading(name));
    struct stat info{};
    if (::fstat(fd->get(), &info) != 0) return Error::from_errno(errno, name);
    const auto bytes = static_cast<std::uint64_t>(info.st_size);
    if (bytes > limit_bytes)
        return Error(ErrorCode::corrupt, name + ": larger than such an object can be");
    Bytes data(static_cast<std::size_t>(bytes));
    HF_TRY_STATUS(read(name, 0, data));
    return data;
}

Result<ObjectInfo> LocalStorage::head(const std::string& name) {
    struct stat info{};
    if (::stat(path_of(name).c_str(), &info) != 0) return Error::from_errno(errno, name);
    return ObjectInfo{name, static_cast<std::uint64_t>(info.st_size)};
}

void LocalStorage::remove_leftovers() {
    {
        std::lock_guard lock(mutex_);
        if (std::exchange(cleaned_, true)) return;
    }
    const auto names = read_directory(path_of("tmp"));
    if (!names.ok()) return;
    for (const auto& [name, is_directory] : *names) {
        const std::string path = path_of("tmp/") + name;
        const auto fd = open_file(path, O_RDWR | O_NOFOLLOW);
        if (fd.ok() && ::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
    }
}

Status LocalStorage::list(const std::string& prefix,
                          const std::function<bool(const ObjectInfo&)>& visit) {
    // Depth first, each level sorted: as '/' is less than any character of a name but '-' and '.',
    // and no directory's name is another's prefix, this is the order of the whole names.
    bool go_on = true;
    const std::function<Status(const std::string&)> walk =
        [&](const std::string& directory) -> Status {
        HF_TRY(const auto names, read_directory(path_of(directory)));
        for (const auto& [name, is_directory] : names) {
            if (!go_on) return {};
            const std::string full = directory + name;
            if (full == "tmp") continue;
            if (is_directory) {
                HF_TRY_STATUS(walk(full + '/'));
                continue;
            }
            auto info = head(full);
            if (!info.ok() && info.error().code() == ErrorCode::not_found) continue;
            if (!info.ok()) return std::move(info).error();
            go_on = visit(*info);
        }
        return {};
    };
    return walk(prefix);
}

Status LocalStorage::remove(const std::string& name) {
    {
        std::lock_guard lock(mutex_);
        open_files_.erase(name);
    }
    const std::string path = path_of(name);
    if (::unlink(path.c_str()) != 0)
        return errno == ENOENT ? ok_status() : Status(explain(Error::from_errno(errno, name)));
    std::lock_guard lock(mutex_);
    unsynced_directories_.insert(parent_of(path));
    // `data` and its like stay.
    const std::string directory = parent_of(name);
    if (directory.find('/') != std::string::npos) shrunk_directories_.insert(directory);
    return {};
}

// A session has directories of its own, and a restore point with marks: most of them are empty in the end. Once the
// removals in them are durable: what comes back after a crash must not stand in one that was made anew.
void LocalStorage::remove_empty(const std::set<std::string>& directories) {
    for (const std::string& directory : directories) {
        if (::rmdir(path_of(directory).c_str()) != 0) continue;
        const std::lock_guard lock(mutex_);
        known_directories_.erase(directory);
    }
}

}  // namespace holdfast
