// A connection to an SSH server with one channel, on which its subsystem "sftp" runs. By libssh.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "storage/sftp/sftp_location.h"

struct ssh_session_struct;
struct ssh_channel_struct;

namespace holdfast {

struct SshOptions {
    // In place of ~/.ssh/config and /etc/ssh/ssh_config. Empty: these.
    std::string config_file;
    std::stop_token stop;  // ends what waits for the server: cancelled
    long connect_seconds = 15;
    // What sends and takes no byte for so long has failed.
    long stall_seconds = 30;
};

// The host must be known: its key is compared with known_hosts, and nothing is ever added there. Users prove who they
// are by keys, of the agent or of files, never by passwords. For one thread at a time. After an error of read() or
// write() only destruction is left.
class SshConnection {
  public:
    // Errors: unavailable (may be tried again), permission_denied (the host is not known, or no key is accepted),
    // cancelled, invalid_argument (a configuration that cannot be read).
    static Result<std::unique_ptr<SshConnection>> open(const SftpLocation& location, const SshOptions& options);
    ~SshConnection();
    SshConnection(const SshConnection&) = delete;
    SshConnection& operator=(const SshConnection&) = delete;

    // Errors: unavailable, cancelled.
    Status write(ByteSpan data);
    // At least one byte, which comes within `seconds`. Errors: unavailable, cancelled.
    Result<std::size_t> read_some(MutableByteSpan out, long seconds);
    // Answers a server that asks whether somebody is still there, and lets no router take the connection for dead.
    // Does not wait. What fails shows with the next read or write.
    void keep_alive();

  private:
    struct SessionDeleter {
        void operator()(ssh_session_struct* session) const;
    };

    SshConnection(const SftpLocation& location, const SshOptions& options);
    Status configure(const SftpLocation& location);
    Status connect();
    Status check_host();
    Status authenticate();
    Status open_channel();
    // Of a call that failed: what libssh says of it.
    Error failure(const std::string& what);

    const SshOptions options_;
    const std::string name_;  // for messages
    std::unique_ptr<ssh_session_struct, SessionDeleter> session_;
    ssh_channel_struct* channel_ = nullptr;  // the session's
    bool has_failed_ = false;
    // The session's socket once more: libssh closes its own when it fails, and the number may then be another one's.
    UniqueFd socket_;
    // Shuts it, so that who waits for it wakes.
    std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace holdfast
