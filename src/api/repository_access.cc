#include "api/repository_access.h"

#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "api/configuration.h"
#include "api/secret.h"
#include "base/file_io.h"
#include "base/quantity.h"
#include "crypto/digest.h"
#include "repository/locks.h"
#include "repository/repository.h"

namespace holdfast {
namespace {

constexpr std::string_view key_file_magic = "holdfast-key-1 ";
constexpr std::string_view recovery_prefix = "HFRK";

std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
}

std::string base_directory(const char* variable, const std::string& fallback) {
    const auto value = environment(variable);
    if (value && value->front() == '/') return *value;
    return environment("HOME").value_or("/") + fallback;
}

// A key file or a file with a recovery key.
Result<Unlock> read_key_file(const std::string& path) {
    auto data = read_file(path, 1 << 16);
    if (!data.ok())
        return Error(ErrorCode::wrong_key, "cannot read the key file: " + data.error().message());
    std::string line = first_line(*data);
    wipe(*data);
    Unlock unlock;
    if (line.size() >= 4 && ::strncasecmp(line.c_str(), recovery_prefix.data(), 4) == 0) {
        auto recovery = parse_recovery_key(line);
        wipe(line);
        HF_TRY(unlock.recovery, std::move(recovery));
        return unlock;
    }
    const std::size_t blank = line.rfind(' ');
    Bytes secret = blank == std::string::npos
                       ? Bytes{}
                       : from_hex(std::string_view(line).substr(blank + 1));
    const bool is_key_file = line.starts_with(key_file_magic) && secret.size() == SecretKey::size;
    wipe(line);
    if (!is_key_file) return Error(ErrorCode::wrong_key, path + ": not a key file");
    std::array<std::uint8_t, SecretKey::size> bytes;
    std::copy(secret.begin(), secret.end(), bytes.begin());
    unlock.key_file = SecretKey(bytes);
    wipe(secret);
    wipe(bytes);
    return unlock;
}

Result<std::optional<std::string>> read_passphrase(const AccessRequest& request) {
    if (request.passphrase_command) {
        HF_TRY(std::string passphrase, read_secret_command(*request.passphrase_command, "the passphrase command"));
        return std::optional(std::move(passphrase));
    }
    if (request.passphrase_variable) {
        const auto passphrase = environment(request.passphrase_variable->c_str());
        if (!passphrase) return Error(ErrorCode::wrong_key, *request.passphrase_variable + " is not set");
        return passphrase;
    }
    if (request.passphrase_file) {
        auto data = read_file(*request.passphrase_file, 1 << 16);
        if (!data.ok())
            return Error(ErrorCode::wrong_key,
                         "cannot read the passphrase: " + data.error().message());
        std::string passphrase = first_line(*data);
        wipe(*data);
        if (passphrase.empty())
            return Error(ErrorCode::wrong_key, *request.passphrase_file + ": is empty");
        return std::optional(std::move(passphrase));
    }
    return std::optional<std::string>();
}

// Gathers key material; without any, the key file that init made for this repository.
Result<Unlock> find_unlock(const ResolvedAccess& access, Storage& storage) {
    if (access.request.key_file) return read_key_file(*access.request.key_file);
    Unlock unlock;
    HF_TRY(unlock.passphrase, read_passphrase(access.request));
    if (unlock.passphrase) return unlock;
    HF_TRY(const ConfigRecord config, read_config(storage));
    const std::string path = default_key_path(config.repository);
    auto from_default = read_key_file(path);
    if (!from_default.ok())
        return Error(ErrorCode::wrong_key,
                     "no key for this repository: give --key-file or --passphrase-file (looked for " +
                         path + ")");
    return from_default;
}

}  // namespace

// Never overwrites: an old key may be the only way to an old repository.
Status write_key_file(const std::string& path, const std::string& text) {
    const std::size_t slash = path.rfind('/');
    if (slash != std::string::npos && slash > 0)
        HF_TRY_STATUS(make_durable_directories(path.substr(0, slash), 0700));
    HF_TRY(const UniqueFd fd, open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    Status written = write_all(fd.get(), as_bytes(text), path.c_str());
    if (written.ok() && ::fsync(fd.get()) != 0) written = Error::from_errno(errno, path);
    if (written.ok())
        written = sync_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
    // Half of it would stand in the way of the next try.
    if (!written.ok()) ::unlink(path.c_str());
    return written;
}

std::string first_line(ByteSpan data) {
    std::string text(as_text(data));
    text = text.substr(0, text.find('\n'));
    if (!text.empty() && text.back() == '\r') text.pop_back();
    return text;
}

DefaultPlaces default_places() {
    DefaultPlaces places;
    if (::geteuid() == 0)
        places = {"/var/lib/holdfast/repository", "/etc/holdfast", "/var/cache/holdfast", "/var/lib/holdfast/state"};
    else
        places = {base_directory("XDG_DATA_HOME", "/.local/share") + "/holdfast/repository",
                  base_directory("XDG_CONFIG_HOME", "/.config") + "/holdfast",
                  base_directory("XDG_CACHE_HOME", "/.cache") + "/holdfast",
                  base_directory("XDG_STATE_HOME", "/.local/state") + "/holdfast"};
    if (const auto state = environment("HOLDFAST_STATE_DIR")) places.state = *state;
    return places;
}

std::string default_key_path(const RepositoryId& repository) {
    return default_places().configuration + "/keys/" + repository.hex() + ".key";
}

Result<ResolvedAccess> resolve_access(const AccessRequest& request) {
    ResolvedAccess access;
    access.request = request;
    AccessRequest& r = access.request;
    if (!r.repository) r.repository = environment("HOLDFAST_REPOSITORY");
    HF_TRY_STATUS(apply_configuration(access));
    // What is asked for on the command line, or configured, wins over the whole environment, whatever its kind.
    if (!r.is_other && !r.key_file && !r.passphrase_file && !r.passphrase_command && !r.passphrase_variable) {
        r.key_file = environment("HOLDFAST_KEY_FILE");
        r.passphrase_file = environment("HOLDFAST_PASSPHRASE_FILE");
        r.passphrase_command = environment("HOLDFAST_PASSPHRASE_COMMAND");
    }
    if (r.key_file.has_value() + r.passphrase_file.has_value() + r.passphrase_command.has_value() > 1)
        return Error(ErrorCode::invalid_argument,
                     "give one of key file, passphrase file and passphrase command");
    access.is_default = !r.repository;
    const DefaultPlaces places = default_places();
    access.repository = r.repository.value_or(places.repository);
    if (!r.cache_directory) r.cache_directory = environment("HOLDFAST_CACHE_DIR");
    access.cache_directory = r.cache_directory.value_or(places.cache);
    if (!r.ca_file) r.ca_file = environment("HOLDFAST_CA_FILE");
    access.storage.ca_file = r.ca_file.value_or("");
    access.storage.stop = r.stop;
    if (r.limit_upload) {
        HF_TRY(access.storage.limits.upload_bytes_per_second, parse_byte_count(*r.limit_upload));
    }
    if (r.limit_download) {
        HF_TRY(access.storage.limits.download_bytes_per_second, parse_byte_count(*r.limit_download));
    }
    return access;
}

namespace {

Status check_key_place(const AccessRequest& request) {
    if (!request.key_file || ::access(request.key_file->c_str(), F_OK) != 0) return {};
    return Error(ErrorCode::already_exists,
                 "the key file " + *request.key_file +
                     " exists, and a new key never overwrites an old one: name another file with "
                     "--key-file, or unset HOLDFAST_KEY_FILE for one in the default place");
}

// A third of the period, from an hour to ten days: what locks are longer at first.
TimeNs generation_of(TimeNs period) {
    constexpr TimeNs hour = 3600 * ns_per_second;
    return std::clamp(period / 3, hour, 240 * hour);
}

Result<LockRules> lock_rules(const NewRepository& form) {
    LockRules rules;
    if (!form.lock) return rules;
    HF_TRY(rules.period, parse_duration(*form.lock));
    rules.generation = generation_of(rules.period);
    rules.mode = form.is_governance ? LockRules::Mode::governance : LockRules::Mode::compliance;
    return rules;
}

Result<std::unique_ptr<Storage>> create_storage(const std::string& url, const StorageOptions& options) {
    auto storage = open_storage(url, OpenMode::create, options);
    if (storage.ok() || storage.error().code() != ErrorCode::already_exists) return storage;
    HF_TRY(const auto existing, open_storage(url, OpenMode::existing, options));
    if (!read_config(*existing).ok()) return storage;
    return Error(ErrorCode::already_exists,
                 "there is a repository already at " + existing->description());
}

}  // namespace

Result<InitResponse> init_repository(const ResolvedAccess& access,
                                     const std::optional<std::string>& like,
                                     const AccessRequest& like_access,
                                     const NewRepository& asked) {
    NewRepository form = asked;
    if (!form.lock) form.lock = access.lock;
    std::unique_ptr<Repository> model;
    if (like) {
        AccessRequest request = like_access;
        request.repository = *like;
        HF_TRY(const ResolvedAccess resolved, resolve_access(request));
        HF_TRY(model, open_repository(resolved));
    }
    // All that can be refused is refused before anything is made.
    HF_TRY(const std::optional<std::string> passphrase, read_passphrase(access.request));
    HF_TRY_STATUS(check_key_place(access.request));
    HF_TRY(const LockRules lock, lock_rules(form));
    StorageOptions storage_options = access.storage;
    storage_options.wants_locks = form.lock.has_value();
    HF_TRY(const std::unique_ptr<Storage> storage, create_storage(access.repository, storage_options));
    if (form.lock) HF_TRY_STATUS(prove_locks(*storage, lock));
    InitResponse response;
    response.repository = storage->description();
    bool is_key_written = false;
    const auto keep = [&](const Repository::NewKeys& keys, const RepositoryId& id) -> Status {
        response.repository_id = id.hex();
        response.recovery_key = format_recovery_key(keys.recovery);
        if (passphrase) return {};
        response.key_file = access.request.key_file.value_or(default_key_path(id));
        auto written =
            write_key_file(response.key_file, format_key_file(keys.key_file, response.repository_id));
        if (!written.ok())
            return std::move(written).error().with_context("writing the key file");
        is_key_written = true;
        return {};
    };
    auto made = Repository::init(
        *storage, model.get(), passphrase, keep, system_clock(), system_random(),
        {form.has_parity, lock});
    if (made.ok()) return response;
    // It opens nothing, and would stand in the way of the next try.
    if (!response.key_file.empty() && is_key_written) ::unlink(response.key_file.c_str());
    return std::move(made).error();
}

namespace {

Result<std::unique_ptr<Repository>> open_for(const ResolvedAccess& access, Repository::OpenFor purpose) {
    auto storage = open_storage(access.repository, OpenMode::existing, access.storage);
    if (!storage.ok()) {
        if (storage.error().code() == ErrorCode::not_found)
            return Error(ErrorCode::not_found, "no repository at " + access.repository);
        return std::move(storage).error();
    }
    HF_TRY(const Unlock unlock, find_unlock(access, **storage));
    return Repository::open(std::move(storage).value(), unlock, access.cache_directory,
                            system_clock(), system_random(), purpose);
}

}  // namespace

Result<std::unique_ptr<Repository>> open_repository(const ResolvedAccess& access) {
    return open_for(access, Repository::OpenFor::anything);
}

Result<std::unique_ptr<Repository>> open_to_read_point(const ResolvedAccess& access) {
    return open_for(access, Repository::OpenFor::reading_a_point);
}

Result<std::unique_ptr<Repository>> open_to_read_point(const AccessRequest& request) {
    HF_TRY(const ResolvedAccess access, resolve_access(request));
    return open_to_read_point(access);
}

Result<std::unique_ptr<Repository>> open_repository(const AccessRequest& request) {
    HF_TRY(const ResolvedAccess access, resolve_access(request));
    return open_repository(access);
}

std::string format_recovery_key(const SecretKey& secret) {
    std::string digits = to_hex(secret.bytes());
    digits += to_hex(plain_hash(secret.bytes()).bytes).substr(0, 4);
    std::string text(recovery_prefix);
    for (std::size_t i = 0; i < digits.size(); i += 4) text += '-' + digits.substr(i, 4);
    for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c);
    return text;
}

Result<SecretKey> parse_recovery_key(const std::string& text) {
    // As it was pasted: with blanks around it, or the end of a line of another system.
    constexpr std::string_view blanks = " \t\r\n-";
    std::string digits;
    digits.reserve(text.size());
    const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
    for (const char c : std::string_view(text).substr(std::min(begin + recovery_prefix.size(), text.size())))
        if (blanks.find(c) == std::string_view::npos) digits += c;
    Bytes bytes = from_hex(digits);
    wipe(digits);
    const Error bad(ErrorCode::wrong_key, "not a recovery key (a digit is wrong or missing)");
    if (bytes.size() != SecretKey::size + 2) return bad;
    SecretKey secret;
    std::copy_n(bytes.begin(), SecretKey::size, secret.writable().begin());
    const std::array check{bytes[32], bytes[33]};
    wipe(bytes);
    const Digest hash = plain_hash(secret.bytes());
    if (hash.bytes[0] != check[0] || hash.bytes[1] != check[1]) return bad;
    return secret;
}

std::string format_key_file(const SecretKey& secret, const std::string& repository_id) {
    return std::string(key_file_magic) + repository_id + ' ' + to_hex(secret.bytes()) + '\n';
}

}  // namespace holdfast
