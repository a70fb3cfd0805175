#include "storage/sftp/ssh_connection.h"

#include <fcntl.h>
#include <libssh/libssh.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>

namespace holdfast {
namespace {

// A pipe that a ProxyCommand has left raises SIGPIPE, which ends the program unless it is caught here.
class PipeSignalBlock {
  public:
    PipeSignalBlock() {
        ::sigemptyset(&pipe_);
        ::sigaddset(&pipe_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    ~PipeSignalBlock() {
        if (::sigismember(&before_, SIGPIPE) == 1) return;
        const timespec at_once{};
        while (::sigtimedwait(&pipe_, nullptr, &at_once) == SIGPIPE) {}
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    PipeSignalBlock(const PipeSignalBlock&) = delete;
    PipeSignalBlock& operator=(const PipeSignalBlock&) = delete;

  private:
    sigset_t pipe_{}, before_{};
};

// libssh ends a ProxyCommand by SIGTERM, and waits for its end. This program blocks that signal, and what it starts
// does so too, unless it is told not to between fork and exec.
thread_local bool is_connecting = false;

void unblock_signals_of_proxy() {
    if (!is_connecting) return;
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// Of a library that wants it before threads use it.
bool initialize_library() {
    static const bool is_initialized =
        ssh_init() == SSH_OK && ::pthread_atfork(nullptr, nullptr, unblock_signals_of_proxy) == 0;
    return is_initialized;
}

// What a server says at its leave when an agent offers it more keys than it wants to see: the next time is no better.
bool is_too_many_keys(const std::string& message) {
    return message.find("Too many authentication failures") != std::string::npos;
}

}  // namespace

void SshConnection::SessionDeleter::operator()(ssh_session_struct* session) const {
    ssh_free(session);
}

SshConnection::SshConnection(const SftpLocation& location, const SshOptions& options)
    : options_(options), name_(location.description()), session_(initialize_library() ? ssh_new() : nullptr) {}

SshConnection::~SshConnection() {
    if (!session_) return;
    on_stop_.reset();
    const PipeSignalBlock block;
    // A server that does not answer is not waited for.
    if (has_failed_ && socket_.get() >= 0) ::shutdown(socket_.get(), SHUT_RDWR);
    if (channel_ != nullptr) ssh_channel_free(channel_);
    // A ProxyCommand ends when it sees the end of its input, however many have this socket.
    if (socket_.get() >= 0) ::shutdown(socket_.get(), SHUT_RDWR);
    ssh_disconnect(session_.get());
}

Result<std::unique_ptr<SshConnection>> SshConnection::open(const SftpLocation& location, const SshOptions& options) {
    const PipeSignalBlock block;
    std::unique_ptr<SshConnection> connection(new SshConnection(location, options));
    if (!connection->session_) return Error(ErrorCode::internal, "libssh cannot be used");
    HF_TRY_STATUS(connection->configure(location));
    HF_TRY_STATUS(connection->connect());
    HF_TRY_STATUS(connection->check_host());
    HF_TRY_STATUS(connection->authenticate());
    HF_TRY_STATUS(connection->open_channel());
    return connection;
}

Error SshConnection::failure(const std::string& what) {
    has_failed_ = true;
    if (options_.stop.stop_requested()) return {ErrorCode::cancelled, "interrupted"};
    const std::string reason = ssh_get_error(session_.get());
    return {ErrorCode::unavailable, name_ + ": " + what + (reason.empty() ? "" : ": " + reason)};
}

// What the location says goes before what the configuration says, which libssh lets the first win; the name of the
// host is needed to read it.
Status SshConnection::configure(const SftpLocation& location) {
    ssh_session_struct* const session = session_.get();
    const int no = 0, yes = 1;
    const unsigned port = location.port;
    bool is_set = ssh_options_set(session, SSH_OPTIONS_HOST, location.host.c_str()) == SSH_OK &&
                  ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &options_.connect_seconds) == SSH_OK &&
                  // Requests are small, and each is waited for.
                  ssh_options_set(session, SSH_OPTIONS_NODELAY, &yes) == SSH_OK &&
                  ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no) == SSH_OK;
    if (!location.user.empty())
        is_set = is_set && ssh_options_set(session, SSH_OPTIONS_USER, location.user.c_str()) == SSH_OK;
    if (port != 0) is_set = is_set && ssh_options_set(session, SSH_OPTIONS_PORT, &port) == SSH_OK;
    if (!is_set) return Error(ErrorCode::invalid_argument, name_ + ": " + ssh_get_error(session));
    const char* const file = options_.config_file.empty() ? nullptr : options_.config_file.c_str();
    // libssh takes one that is missing for an empty one.
    if ((file != nullptr && ::access(file, R_OK) != 0) || ssh_options_parse_config(session, file) != SSH_OK)
        return Error(ErrorCode::invalid_argument,
                     "the configuration of ssh " + options_.config_file + " cannot be read");
    return {};
}

Status SshConnection::connect() {
    if (options_.stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    is_connecting = true;
    const int connected = ssh_connect(session_.get());
    is_connecting = false;
    if (connected != SSH_OK) return failure("no connection");
    socket_ = UniqueFd(::fcntl(ssh_get_fd(session_.get()), F_DUPFD_CLOEXEC, 0));
    if (socket_.get() < 0) return Error::from_errno(errno, name_);
    on_stop_.emplace(options_.stop, [socket = socket_.get()] { ::shutdown(socket, SHUT_RDWR); });
    return {};
}

Status SshConnection::check_host() {
    const auto refuse = [this](const std::string& what) {
        return Error(ErrorCode::permission_denied, name_ + ": " + what);
    };
    switch (ssh_session_is_known_server(session_.get())) {
        case SSH_KNOWN_HOSTS_OK: return {};
        case SSH_KNOWN_HOSTS_UNKNOWN:
        case SSH_KNOWN_HOSTS_NOT_FOUND:
            return refuse("the host's key is not known: connect once with ssh, and compare it");
        case SSH_KNOWN_HOSTS_CHANGED:
        case SSH_KNOWN_HOSTS_OTHER:
            return refuse("the host's key is not the one that is known: either it has changed, or somebody else answers "
                          "in its place; connect with ssh, which says more");
        case SSH_KNOWN_HOSTS_ERROR: break;
    }
    return refuse(std::string("the host's key cannot be compared: ") + ssh_get_error(session_.get()));
}

Status SshConnection::authenticate() {
    const int result = ssh_userauth_publickey_auto(session_.get(), nullptr, nullptr);
    if (result == SSH_AUTH_SUCCESS) return {};
    const Error error = failure("the server does not take a key");
    if (error.code() == ErrorCode::cancelled) return error;
    if (result == SSH_AUTH_ERROR && !is_too_many_keys(error.message())) return error;
    const bool wants_more = result == SSH_AUTH_PARTIAL;
    return Error(ErrorCode::permission_denied,
                 name_ + (wants_more ? ": the server wants more than a key"
                                     : ": the server accepts none of the keys of the agent and the identity files"));
}

Status SshConnection::open_channel() {
    channel_ = ssh_channel_new(session_.get());
    if (channel_ == nullptr || ssh_channel_open_session(channel_) != SSH_OK) return failure("no channel");
    if (ssh_channel_request_sftp(channel_) != SSH_OK) {
        const Error error = failure("the server has no SFTP");
        // Refused by a server that answers: nothing that passes.
        const bool is_refused = ssh_get_error_code(session_.get()) == SSH_REQUEST_DENIED;
        return is_refused ? Error(ErrorCode::unsupported, error.message()) : error;
    }
    // From here on it is how long a write may wait for the server.
    if (ssh_options_set(session_.get(), SSH_OPTIONS_TIMEOUT, &options_.stall_seconds) != SSH_OK)
        return failure("no time-out");
    return {};
}

Status SshConnection::write(ByteSpan data) {
    const PipeSignalBlock block;
    while (!data.empty()) {
        if (options_.stop.stop_requested()) return failure("");
        const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(data.size(), 1u << 20));
        const int written = ssh_channel_write(channel_, data.data(), count);
        if (written < 0) return failure("the connection is lost");
        if (written == 0) return failure("the server takes nothing");
        data = data.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<std::size_t> SshConnection::read_some(MutableByteSpan out, long seconds) {
    const PipeSignalBlock block;
    const auto count = static_cast<std::uint32_t>(
        std::min<std::size_t>(out.size(), static_cast<std::size_t>(std::numeric_limits<int>::max())));
    const int bytes = ssh_channel_read_timeout(channel_, out.data(), count, 0, static_cast<int>(seconds * 1000));
    if (bytes > 0) return static_cast<std::size_t>(bytes);
    if (bytes == SSH_ERROR || ssh_channel_is_eof(channel_) != 0 || ssh_channel_is_open(channel_) == 0)
        return failure("the connection is lost");
    return failure("the server has not answered for " + std::to_string(seconds) + " s");
}

void SshConnection::keep_alive() {
    const PipeSignalBlock block;
    (void)ssh_channel_poll(channel_, 0);
    (void)ssh_send_ignore(session_.get(), "");
}

}  // namespace holdfast
