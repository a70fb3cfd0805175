#include "api/secret.h"

#include <cstdio>

#include "api/repository_access.h"
#include "base/environment.h"
#include "base/file_io.h"
#include "config/config.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_secret_bytes = 1 << 16;

Result<std::string> read_secret_file(const std::string& path, const std::string& what) {
    auto data = read_file(path, max_secret_bytes);
    if (!data.ok()) return Error(ErrorCode::wrong_key, "cannot read " + what + ": " + data.error().message());
    std::string secret = first_line(*data);
    wipe(*data);
    if (secret.empty()) return Error(ErrorCode::wrong_key, what + " is empty");
    return secret;
}

}  // namespace

Result<std::string> read_secret_command(const std::string& command, const std::string& what) {
    // The user's own command, as in his shell.
    std::FILE* pipe = ::popen(command.c_str(), "re");
    if (pipe == nullptr) return Error::from_errno(errno, what);
    Bytes output(max_secret_bytes);
    const std::size_t count = std::fread(output.data(), 1, output.size(), pipe);
    const int status = ::pclose(pipe);
    std::string secret = first_line(ByteSpan(output).first(count));
    wipe(output);
    if (status != 0) return Error(ErrorCode::wrong_key, what + " failed");
    if (secret.empty()) return Error(ErrorCode::wrong_key, what + " printed nothing");
    return secret;
}

Result<std::string> credential_path(const std::string& name) {
    const auto directory = process_environment()("CREDENTIALS_DIRECTORY");
    if (!directory)
        return Error(ErrorCode::wrong_key,
                     "no credential '" + name + "': CREDENTIALS_DIRECTORY is not set (systemd sets it for a service "
                     "with LoadCredential=)");
    return *directory + '/' + name;
}

std::string describe_secret(const SecretReference& reference) {
    switch (reference.kind) {
        case SecretReference::Kind::file: return "the file " + reference.value;
        case SecretReference::Kind::command: return "a command";
        case SecretReference::Kind::environment: return "the variable " + reference.value;
        case SecretReference::Kind::credential: return "the credential " + reference.value;
    }
    return {};
}

Result<std::string> read_secret(const SecretReference& reference) {
    const std::string what = describe_secret(reference);
    switch (reference.kind) {
        case SecretReference::Kind::file: return read_secret_file(reference.value, what);
        case SecretReference::Kind::command: return read_secret_command(reference.value, "the command for a secret");
        case SecretReference::Kind::environment: {
            const auto value = process_environment()(reference.value);
            if (!value) return Error(ErrorCode::wrong_key, what + " is not set");
            return *value;
        }
        case SecretReference::Kind::credential: {
            HF_TRY(const std::string path, credential_path(reference.value));
            return read_secret_file(path, what);
        }
    }
    return Error(ErrorCode::internal, what);
}

}  // namespace holdfast
