#include "storage/sftp/sftp_storage.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/random.h"

namespace holdfast {
namespace {

// What is older than this in tmp/ is of nobody alive.
constexpr std::int64_t old_leftover_seconds = 2 * 24 * 3600;
// Servers that are set up carefully ask after 15 s of silence, and leave after three such questions.
constexpr std::chrono::seconds keep_alive_interval(5);
// A repository has three levels; a server that goes on for ever is stopped.
constexpr unsigned max_depth = 16;
// Each in which somebody else removes the directory that was just made.
constexpr int max_renames = 4;
// With less free than is on its way, a failure to write is taken for that.
constexpr std::uint64_t full_disk_bytes = 4u << 20;
constexpr std::uint32_t open_new = sftp_open_write | sftp_open_create | sftp_open_exclusive;

std::string parent_of(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return slash == std::string::npos ? "" : name.substr(0, slash);
}

// "/a/b": "/a", "/": nothing is above it, and nothing above what begins.
std::string path_above(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return "";
    return slash == 0 ? "/" : path.substr(0, slash);
}

// Makes it and those above it. Servers say no more than that it failed when it is there.
Status make_directories(SftpClient& client, const std::string& path) {
    Status made = client.make_directory(path);
    if (made.ok()) return made;
    if (made.error().code() == ErrorCode::not_found) {
        const std::string above = path_above(path);
        if (above.empty() || above == path) return made;
        HF_TRY_STATUS(make_directories(client, above));
        made = client.make_directory(path);
        if (made.ok()) return made;
    }
    const auto found = client.stat(path);
    if (found.ok() && found->is_directory()) return {};
    return made;
}

SftpClient::Sync sync_for(Durability durability) {
    return durability == Durability::none ? SftpClient::Sync::no : SftpClient::Sync::yes;
}

bool is_not_found(const Status& status) {
    return !status.ok() && status.error().code() == ErrorCode::not_found;
}

// A new directory is durable once all above it are. Those above the root may be of somebody who lets nobody read them.
Status sync_above(SftpClient& client, std::string path) {
    std::vector<std::string> paths;
    for (std::string above = path_above(path); !above.empty() && above != path; above = path_above(path))
        paths.push_back(path = above);
    const Status synced = client.sync_directories(paths);
    return client.is_reusable() ? ok_status() : synced;
}

}  // namespace

// Sends what comes; waits when 2 MiB are on their way. Holds a connection, on which its file is open. When that is lost
// the file is too: what the server has acknowledged and not synced may be gone with the server.
class SftpStorage::Writer final : public ObjectWriter {
  public:
    Writer(SftpStorage& storage, std::string name, Existing existing, SftpPool::Loan loan, Temporary temporary)
        : storage_(storage),
          name_(std::move(name)),
          existing_(existing),
          loan_(std::move(loan)),
          temporary_(std::move(temporary)),
          keeper_([this](const std::stop_token& stop) { keep_alive(stop); }) {}
    ~Writer() override {
        stop_keeper();
        if (is_closed_) return;
        // What cannot be taken back now goes with the leftovers.
        SftpClient& client = loan_.client();
        client.forget_writes();
        if (client.close_unheard(temporary_.handle).ok()) (void)client.remove(temporary_.path).ok();
    }

    Status append(ByteSpan data) override {
        const std::lock_guard lock(mutex_);
        auto written = loan_.client().write(temporary_.handle, total_bytes_, data);
        if (!written.ok()) return storage_.explain_write(loan_.client(), std::move(written).error(), name_);
        total_bytes_ += data.size();
        return {};
    }

    Status commit(Durability durability) override {
        stop_keeper();
        auto finished = loan_.client().finish_writes(temporary_.handle, sync_for(durability));
        if (!finished.ok()) return storage_.explain_write(loan_.client(), std::move(finished).error(), name_);
        is_closed_ = true;
        loan_.give_back();
        Status taken = storage_.pool_.attempt(
            [this](SftpClient& client, unsigned tries) { return take_name(client, tries); });
        return taken.ok() ? storage_.note_taken(name_, durability) : taken;
    }

  private:
    // Minutes may pass before there is more to write, in which servers and routers end what is silent.
    void keep_alive(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, stop, keep_alive_interval, [&stop] { return stop.stop_requested(); }))
            loan_.client().keep_alive();
    }
    void stop_keeper() {
        if (!keeper_.joinable()) return;
        keeper_.request_stop();
        keeper_.join();
    }

    Status take_name(SftpClient& client, unsigned tries) {
        Status taken = storage_.take_name(client, temporary_.path, name_, existing_);
        if (taken.ok()) return taken;
        const ErrorCode code = taken.error().code();
        if (tries > 1 && (code == ErrorCode::not_found || code == ErrorCode::already_exists)) {
            // An earlier try was carried out, and its answer was lost.
            const auto stored = client.stat(storage_.path_of(name_));
            if (!stored.ok() && stored.error().code() == ErrorCode::unavailable) return stored.error();
            if (stored.ok() && stored->bytes == total_bytes_) taken = {};
        }
        // Nothing that a later try would need, and of a name that was linked the second one.
        if (taken.ok() || code != ErrorCode::unavailable) (void)client.remove(temporary_.path).ok();
        return taken;
    }

    SftpStorage& storage_;
    const std::string name_;
    const Existing existing_;
    SftpPool::Loan loan_;
    const Temporary temporary_;
    std::uint64_t total_bytes_ = 0;
    bool is_closed_ = false;
    std::mutex mutex_;  // held by the thread that uses the connection
    std::condition_variable_any wake_;
    std::jthread keeper_;
};

SftpStorage::SftpStorage(SftpLocation location, SshOptions ssh, const StorageOptions& options)
    : pool_(std::move(location), std::move(ssh), options.backoff, system_clock(), system_random()) {}

Result<std::unique_ptr<Storage>> SftpStorage::open(const std::string& location,
                                                   OpenMode mode,
                                                   const StorageOptions& options) {
    HF_TRY(SftpLocation parsed, parse_sftp_location(location));
    SshOptions ssh;
    ssh.config_file = options.environment_or_process()("HOLDFAST_SSH_CONFIG").value_or("");
    ssh.stop = options.stop;
    std::unique_ptr<SftpStorage> storage(new SftpStorage(std::move(parsed), std::move(ssh), options));
    HF_TRY_STATUS(storage->prepare(mode));
    return std::unique_ptr<Storage>(std::move(storage));
}

Status SftpStorage::prepare(OpenMode mode) {
    return pool_.attempt([this, mode](SftpClient& client, unsigned) -> Status {
        if (mode == OpenMode::create) {
            HF_TRY_STATUS(make_directories(client, path_of("")));
            HF_TRY_STATUS(sync_above(client, path_of("")));
            HF_TRY_STATUS(check_empty(client));
        }
        const auto root = client.stat(path_of(""));
        if (!root.ok() && root.error().code() == ErrorCode::not_found)
            return Error(ErrorCode::not_found, description() + ": no such directory");
        if (!root.ok()) return root.error();
        if (!root->is_directory()) return Error(ErrorCode::not_found, description() + ": not a directory");
        return {};
    });
}

// Nothing of a user's may be mixed with a repository's objects, which are removed by their names.
Status SftpStorage::check_empty(SftpClient& client) {
    const Error error(ErrorCode::already_exists, description() + ": the directory is not empty");
    HF_TRY(const SftpNames names, client.read_directory(path_of("")));
    for (const SftpName& entry : names) {
        // The root of a new ext4 file system is empty to its user.
        if (entry.name == "lost+found") continue;
        // What an init that was killed leaves: key slots, and temporary files.
        if (entry.name != "keys" && entry.name != "tmp") return error;
        HF_TRY(const SftpNames inner, client.read_directory(path_of(entry.name)));
        // <32>, or what open_temporary() names: <16>-<number>.
        const std::size_t digits = entry.name == "keys" ? 32 : 16;
        for (const SftpName& object : inner)
            if (object.attributes.is_directory() ||
                from_hex(std::string_view(object.name).substr(0, digits)).size() != digits / 2)
                return error;
    }
    return {};
}

Result<SftpStorage::Temporary> SftpStorage::open_temporary(SftpClient& client) {
    std::uint64_t number;
    {
        const std::lock_guard lock(mutex_);
        number = ++temporaries_;
    }
    const std::string name = "tmp/" + to_hex(pool_.random().array<8>()) + '-' + std::to_string(number);
    Temporary temporary{path_of(name), ""};
    HF_TRY_STATUS(ensure_directory(client, "tmp"));
    auto opened = client.open_file(temporary.path, open_new);
    if (!opened.ok() && opened.error().code() == ErrorCode::not_found) {
        {
            const std::lock_guard lock(mutex_);
            known_directories_.erase("tmp");
        }
        HF_TRY_STATUS(ensure_directory(client, "tmp"));
        opened = client.open_file(temporary.path, open_new);
    }
    HF_TRY(temporary.handle, std::move(opened));
    remove_leftovers(client, temporary.path);
    return temporary;
}

// By the server's clock, which a file that was just made tells. Housekeeping: who may not do it leaves it to others.
void SftpStorage::remove_leftovers(SftpClient& client, const std::string& fresh) {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(is_cleaned_, true)) return;
    }
    const auto now = client.stat(fresh);
    const auto names = client.read_directory(path_of("tmp"));
    if (!now.ok() || !now->modified || !names.ok()) return;
    for (const SftpName& leftover : *names) {
        const auto& modified = leftover.attributes.modified;
        if (!leftover.attributes.is_regular() || !modified ||
            std::int64_t{*now->modified} - std::int64_t{*modified} < old_leftover_seconds)
            continue;
        (void)client.remove(path_of("tmp/" + leftover.name)).ok();
    }
}

Status SftpStorage::ensure_directory(SftpClient& client, const std::string& directory) {
    if (directory.empty()) return {};
    {
        const std::lock_guard lock(mutex_);
        if (known_directories_.contains(directory)) return {};
    }
    HF_TRY_STATUS(make_directories(client, path_of(directory)));
    const std::lock_guard lock(mutex_);
    known_directories_.insert(directory);
    note_unsynced(directory);
    return {};
}

// A new directory is durable once all directories above it are. For who holds the mutex.
void SftpStorage::note_unsynced(std::string directory) {
    while (!directory.empty()) {
        directory = parent_of(directory);
        unsynced_directories_.insert(directory);
    }
}

// Servers say of a full disk no more than that writing failed.
Error SftpStorage::explain_write(SftpClient& client, Error error, const std::string& name) const {
    client.forget_writes();
    if (error.code() == ErrorCode::internal) {
        const auto left = client.free_bytes(path_of(""));
        if (left.ok() && *left < full_disk_bytes)
            return Error(ErrorCode::out_of_space, description() + ": the file system is full");
    }
    return std::move(error).with_context("writing " + name);
}

Result<std::string> SftpStorage::write_temporary(SftpClient& client,
                                                 const std::string& name,
                                                 ByteSpan data,
                                                 Durability durability) {
    HF_TRY(const Temporary temporary, open_temporary(client));
    Status written = client.write(temporary.handle, 0, data);
    if (written.ok()) written = client.finish_writes(temporary.handle, sync_for(durability));
    if (written.ok()) return temporary.path;
    const Error error = explain_write(client, std::move(written).error(), name);
    if (client.close_unheard(temporary.handle).ok()) (void)client.remove(temporary.path).ok();
    return error;
}

Status SftpStorage::take_name(SftpClient& client,
                              const std::string& temporary,
                              const std::string& name,
                              Existing existing) {
    const std::string path = path_of(name);
    if (existing == Existing::refuse) return refuse_existing(client, temporary, name);
    // A moment is left in which a removal is undone.
    HF_TRY_STATUS(client.stat(path));
    Status replaced = client.replace(temporary, path);
    ++generation_;
    return replaced;
}

Status SftpStorage::refuse_existing(SftpClient& client, const std::string& temporary, const std::string& name) {
    const std::string path = path_of(name), directory = parent_of(name);
    Status renamed;
    for (int tries_left = max_renames; tries_left != 0; --tries_left) {
        HF_TRY_STATUS(ensure_directory(client, directory));
        renamed = client.rename(temporary, path);
        if (!is_not_found(renamed) || directory.empty()) break;
        // Somebody has removed the last object of the directory, and the directory.
        const std::lock_guard lock(mutex_);
        known_directories_.erase(directory);
    }
    if (renamed.ok() || renamed.error().code() == ErrorCode::unavailable) return renamed;
    // Servers say no more than that it failed.
    const auto found = client.stat(path);
    if (found.ok()) return Error(ErrorCode::already_exists, name + ": exists");
    return found.error().code() == ErrorCode::not_found ? renamed : Status(found.error());
}

Status SftpStorage::note_taken(const std::string& name, Durability durability) {
    if (durability == Durability::none) return {};
    {
        const std::lock_guard lock(mutex_);
        unsynced_directories_.insert(parent_of(name));
    }
    return durability == Durability::immediate ? barrier() : ok_status();
}

Result<bool> SftpStorage::is_stored(SftpClient& client, const std::string& name, ByteSpan data) {
    const auto stored = read_whole(client, name, data.size());
    if (stored.ok()) return std::equal(stored->begin(), stored->end(), data.begin(), data.end());
    if (stored.error().code() == ErrorCode::corrupt || stored.error().code() == ErrorCode::not_found) return false;
    return stored.error();
}

Status SftpStorage::put(const std::string& name, ByteSpan data, Durability durability) {
    const Status stored = pool_.attempt([&](SftpClient& client, unsigned tries) -> Status {
        HF_TRY(const std::string temporary, write_temporary(client, name, data, durability));
        Status taken = take_name(client, temporary, name, Existing::refuse);
        // Of a try whose connection is lost the file goes with the leftovers.
        if (taken.ok() || taken.error().code() == ErrorCode::unavailable) return taken;
        if (tries > 1 && taken.error().code() == ErrorCode::already_exists) {
            HF_TRY(const bool is_ours, is_stored(client, name, data));
            if (is_ours) taken = {};
        }
        (void)client.remove(temporary).ok();
        return taken;
    });
    return stored.ok() ? note_taken(name, durability) : stored;
}

Result<std::unique_ptr<ObjectWriter>> SftpStorage::begin(const std::string& name) {
    return begin_writer(name, Existing::refuse);
}

Result<std::unique_ptr<ObjectWriter>> SftpStorage::begin_again(const std::string& name) {
    return begin_writer(name, Existing::replace);
}

Result<std::unique_ptr<ObjectWriter>> SftpStorage::begin_writer(const std::string& name, Existing existing) {
    return pool_.attempt_to_hold([&](SftpPool::Loan loan) -> Result<std::unique_ptr<ObjectWriter>> {
        HF_TRY(Temporary temporary, open_temporary(loan.client()));
        return std::unique_ptr<ObjectWriter>(
            std::make_unique<Writer>(*this, name, existing, std::move(loan), std::move(temporary)));
    });
}

// Files were synced before they had their names.
Status SftpStorage::barrier() {
    // Who comes while another one syncs waits for it: that one has taken away what this one relies on.
    const std::lock_guard one_at_a_time(barrier_mutex_);
    std::set<std::string> directories, shrunk;
    {
        const std::lock_guard lock(mutex_);
        directories.swap(unsynced_directories_);
        shrunk.swap(shrunk_directories_);
    }
    if (directories.empty() && shrunk.empty()) return {};
    Status synced = pool_.attempt([&](SftpClient& client, unsigned) -> Status {
        std::vector<std::string> paths;
        for (const std::string& directory : directories) paths.push_back(path_of(directory));
        HF_TRY_STATUS(client.sync_directories(paths));
        // A session has directories of its own: most of them are empty in the end. What is not empty stays.
        for (const std::string& directory : shrunk) {
            const Status removed = client.remove_directory(path_of(directory));
            if (!removed.ok()) continue;
            const std::lock_guard lock(mutex_);
            known_directories_.erase(directory);
        }
        return {};
    });
    if (synced.ok()) return {};
    const std::lock_guard lock(mutex_);
    unsynced_directories_.merge(directories);
    return synced;
}

Status SftpStorage::adopt(const std::string& name) {
    const Status synced = pool_.attempt([&](SftpClient& client, unsigned) -> Status {
        HF_TRY(const std::string handle, client.open_file(path_of(name), sftp_open_read));
        HF_TRY_STATUS(client.sync(handle));
        return client.close_unheard(handle);
    });
    if (!synced.ok()) return synced;
    const std::lock_guard lock(mutex_);
    note_unsynced(name);
    return {};
}

Result<std::size_t> SftpStorage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    return pool_.attempt([&](SftpClient& client, unsigned) -> Result<std::size_t> {
        HF_TRY(const std::string handle, client.open_to_read(path_of(name), generation_));
        auto bytes = client.read(handle, offset, out);
        if (!bytes.ok()) return std::move(bytes).error().with_context("reading " + name);
        return bytes;
    });
}

Result<Bytes> SftpStorage::get(const std::string& name, std::uint64_t limit_bytes) {
    return pool_.attempt(
        [&](SftpClient& client, unsigned) -> Result<Bytes> { return read_whole(client, name, limit_bytes); });
}

Result<Bytes> SftpStorage::read_whole(SftpClient& client, const std::string& name, std::uint64_t limit_bytes) {
    HF_TRY(const SftpClient::OpenFile file, client.open_and_stat(path_of(name)));
    const std::uint64_t size = file.attributes.bytes.value_or(0);
    if (!file.attributes.bytes || size > limit_bytes) {
        HF_TRY_STATUS(client.close_unheard(file.handle));
        if (!file.attributes.bytes)
            return Error(ErrorCode::unsupported, name + ": the server does not say how long it is");
        return Error(ErrorCode::corrupt, name + ": larger than such an object can be");
    }
    Bytes data(static_cast<std::size_t>(size));
    auto bytes = client.read(file.handle, 0, data);
    if (client.is_reusable()) HF_TRY_STATUS(client.close_unheard(file.handle));
    if (!bytes.ok()) return std::move(bytes).error().with_context("reading " + name);
    if (*bytes != data.size()) return Error(ErrorCode::corrupt, name + ": shorter than it should be");
    return data;
}

Result<ObjectInfo> SftpStorage::head(const std::string& name) {
    HF_TRY(const SftpAttributes found, pool_.attempt([&](SftpClient& client, unsigned) {
        return client.stat(path_of(name));
    }));
    if (!found.bytes) return Error(ErrorCode::unsupported, name + ": the server does not say how long it is");
    return ObjectInfo{name, *found.bytes};
}

// Of no connection's: `visit` may want one.
struct SftpStorage::Listing {
    const std::function<bool(const ObjectInfo&)>& visit;
    bool goes_on = true;
};

Result<SftpNames> SftpStorage::names_in(const std::string& directory) {
    auto names = pool_.attempt([&](SftpClient& client, unsigned) {
        return client.read_directory(path_of(directory));
    });
    if (!names.ok() && names.error().code() == ErrorCode::not_found) return SftpNames{};
    if (!names.ok()) return std::move(names).error().with_context("listing " + description());
    std::sort(names->begin(), names->end(), [](const SftpName& a, const SftpName& b) { return a.name < b.name; });
    return names;
}

// Depth first, each level sorted: as LocalStorage::list().
Status SftpStorage::walk(Listing& listing, const std::string& directory, unsigned depth) {
    if (depth == max_depth) return Error(ErrorCode::corrupt, description() + ": " + directory + " is too deep");
    HF_TRY(const SftpNames names, names_in(parent_of(directory)));
    for (const SftpName& entry : names) {
        if (!listing.goes_on) return {};
        const std::string full = directory + entry.name;
        if (full == "tmp") continue;
        SftpAttributes attributes = entry.attributes;
        if (!attributes.is_directory() && (!attributes.is_regular() || !attributes.bytes)) {
            // A link, or a server that says less in a listing.
            auto found = pool_.attempt([&](SftpClient& client, unsigned) { return client.stat(path_of(full)); });
            if (!found.ok() && found.error().code() == ErrorCode::not_found) continue;
            HF_TRY(attributes, std::move(found));
        }
        if (attributes.is_directory()) {
            HF_TRY_STATUS(walk(listing, full + '/', depth + 1));
            continue;
        }
        if (!attributes.bytes)
            return Error(ErrorCode::unsupported, full + ": the server does not say how long it is");
        listing.goes_on = listing.visit({full, *attributes.bytes});
    }
    return {};
}

Status SftpStorage::list(const std::string& prefix, const std::function<bool(const ObjectInfo&)>& visit) {
    Listing listing{visit};
    return walk(listing, prefix, 0);
}

Status SftpStorage::remove(const std::string& name) {
    const Status removed = pool_.attempt([&](SftpClient& client, unsigned) {
        return client.remove(path_of(name));
    });
    ++generation_;
    if (is_not_found(removed)) return {};
    HF_TRY_STATUS(removed);
    const std::string directory = parent_of(name);
    const std::lock_guard lock(mutex_);
    unsynced_directories_.insert(directory);
    // `data` and its like stay.
    if (directory.find('/') != std::string::npos) shrunk_directories_.insert(directory);
    return {};
}

}  // namespace holdfast
