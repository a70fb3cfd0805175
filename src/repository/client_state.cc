#include "repository/client_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file_io.h"
#include "crypto/digest.h"
#include "repository/fragment_merger.h"

namespace holdfast {
namespace {

// Object id, key, and the first bytes of a hash of both: a torn entry is none.
constexpr std::size_t check_bytes = 8, entry_bytes = ObjectId::size + SecretKey::size + check_bytes;
constexpr std::uint64_t max_key_file_bytes = 64u << 20;
constexpr std::string_view fragment_suffix = ".fragment", session_suffix = ".session";
constexpr std::uint64_t max_session_bytes = 1u << 16;
constexpr std::size_t usual_fragments = 32, max_merged_chunks = 1u << 18;

Bytes encode_entry(const ObjectId& object, const SecretKey& key) {
    Bytes entry;
    ByteWriter out(entry);
    out.bytes(object.bytes);
    out.bytes(key.bytes());
    out.bytes(ByteSpan(plain_hash(entry).bytes).first(check_bytes));
    return entry;
}

std::string fragment_path(const std::string& directory, Random& random) {
    return directory + '/' + ObjectId::random(random).hex() + std::string(fragment_suffix);
}

std::string session_path(const std::string& directory, const SessionId& session) {
    return directory + '/' + session.hex() + std::string(session_suffix);
}

}  // namespace

std::unique_ptr<ClientState> ClientState::open(std::string directory) {
    std::unique_ptr<ClientState> state(new ClientState(std::move(directory)));
    state->read_keys();
    return state;
}

void ClientState::read_keys() {
    auto data = read_file(directory_ + "/keys", max_key_file_bytes);
    if (!data.ok()) return;
    for (std::size_t at = 0; at + entry_bytes <= data->size(); at += entry_bytes) {
        const ByteSpan entry = ByteSpan(*data).subspan(at, entry_bytes);
        ByteReader in(entry);
        const ObjectId object{in.array<16>()};
        const SecretKey key(in.array<32>());
        const Digest check = plain_hash(entry.first(entry_bytes - check_bytes));
        if (std::equal(check.bytes.begin(), check.bytes.begin() + check_bytes, entry.end() - check_bytes))
            keys_.insert_or_assign(object, key);
    }
    wipe(*data);
}

std::optional<SecretKey> ClientState::key(const ObjectId& object) const {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(object);
    if (found == keys_.end()) return std::nullopt;
    return found->second;
}

void ClientState::add_key(const ObjectId& object, const SecretKey& key) {
    const std::lock_guard lock(mutex_);
    keys_.insert_or_assign(object, key);
    unsaved_.push_back(object);
}

// At the end of the file, so that another run of the same client may do so at the same time.
Status ClientState::save() {
    const std::lock_guard lock(mutex_);
    if (unsaved_.empty()) return {};
    HF_TRY_STATUS(make_directories(directory_, 0700));
    const std::string path = directory_ + "/keys";
    HF_TRY(const UniqueFd file, open_file(path, O_RDWR | O_CREAT | O_APPEND, 0600));
    if (::flock(file.get(), LOCK_EX) != 0) return Error::from_errno(errno, path);
    // A write that was torn would put all that follows out of step.
    const auto size = ::lseek(file.get(), 0, SEEK_END);
    if (size < 0) return Error::from_errno(errno, path);
    const auto torn = static_cast<std::size_t>(size) % entry_bytes;
    if (torn != 0 && ::ftruncate(file.get(), size - static_cast<off_t>(torn)) != 0)
        return Error::from_errno(errno, path);
    Bytes entries;
    for (const ObjectId& object : unsaved_) {
        const auto found = keys_.find(object);
        if (found == keys_.end()) continue;
        const Bytes entry = encode_entry(object, found->second);
        entries.insert(entries.end(), entry.begin(), entry.end());
    }
    HF_TRY_STATUS(write_all(file.get(), entries, path.c_str()));
    unsaved_.clear();
    return {};
}

Status ClientState::keep_keys(const std::function<bool(const ObjectId&)>& keeps) {
    const std::lock_guard lock(mutex_);
    if (std::erase_if(keys_, [&](const auto& entry) { return !keeps(entry.first); }) == 0) return {};
    return write_keys();
}

// For who holds the mutex. What another run of the client adds at this moment is lost, and read again.
Status ClientState::write_keys() {
    Bytes entries;
    for (const auto& [object, key] : keys_) {
        const Bytes entry = encode_entry(object, key);
        entries.insert(entries.end(), entry.begin(), entry.end());
    }
    HF_TRY_STATUS(make_directories(directory_, 0700));
    const Status written = replace_file(directory_ + "/keys", entries, 0600);
    wipe(entries);
    HF_TRY_STATUS(written);
    unsaved_.clear();
    return {};
}

Status ClientState::add_fragment(const IndexFragmentRecord& fragment, Random& random) {
    HF_TRY_STATUS(make_directories(directory_, 0700));
    return replace_file(fragment_path(directory_, random), FlatFragment::layout(fragment), 0600);
}

std::vector<std::string> ClientState::files_with(std::string_view suffix) const {
    std::vector<std::string> paths;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored))
        if (entry.path().native().ends_with(suffix)) paths.push_back(entry.path().native());
    std::sort(paths.begin(), paths.end());
    return paths;
}

std::vector<std::shared_ptr<FlatFragment>> ClientState::fragments() const {
    std::vector<std::shared_ptr<FlatFragment>> result;
    for (const std::string& path : files_with(fragment_suffix)) {
        auto fragment = FlatFragment::from_file(path);
        if (fragment.ok()) result.push_back(std::move(fragment).value());
    }
    return result;
}

Status ClientState::tidy_fragments(const std::function<bool(const ObjectId&)>& keeps, Random& random) {
    const std::vector<std::string> paths = files_with(fragment_suffix);
    bool has_lost = false;
    for (const auto& fragment : fragments())
        for (const Container& container : fragment->containers())
            has_lost = has_lost || !keeps(container.header.object);
    if (!has_lost && paths.size() <= usual_fragments) return {};
    for (std::size_t next = 0; next < paths.size();) {
        FragmentMerger merger(keeps);
        std::vector<std::string> merged;
        for (std::size_t chunks = 0; next < paths.size(); ++next) {
            const auto fragment = FlatFragment::from_file(paths[next]);
            const std::size_t count = fragment.ok() ? (*fragment)->chunk_count() : 0;
            if (!merged.empty() && chunks + count > max_merged_chunks) break;
            if (fragment.ok()) merger.add(**fragment);
            chunks += count;
            merged.push_back(paths[next]);
        }
        const IndexFragmentRecord record = merger.take();
        if (!record.chunks.empty()) HF_TRY_STATUS(add_fragment(record, random));
        for (const std::string& path : merged) ::unlink(path.c_str());
    }
    return {};
}

Status ClientState::note_session(const LeaseRecord& lease) {
    HF_TRY_STATUS(make_directories(directory_, 0700));
    return replace_file(session_path(directory_, lease.session), encode_lease(lease), 0600);
}

void ClientState::forget_session(const SessionId& session) {
    ::unlink(session_path(directory_, session).c_str());
}

std::vector<LeaseRecord> ClientState::sessions() const {
    std::vector<LeaseRecord> result;
    for (const std::string& path : files_with(session_suffix)) {
        const auto data = read_file(path, max_session_bytes);
        auto lease = data.ok() ? decode_lease(*data) : Result<LeaseRecord>(data.error());
        if (lease.ok() && session_path(directory_, lease->session) == path) result.push_back(std::move(lease).value());
        // Torn: its lease expires.
        else if (data.ok()) ::unlink(path.c_str());
    }
    return result;
}

}  // namespace holdfast
