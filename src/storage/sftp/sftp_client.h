// Files of an SFTP server over one connection, with many requests on their way at once.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "storage/sftp/sftp_packet.h"
#include "storage/sftp/ssh_connection.h"

namespace holdfast {

// For one thread at a time.
//
// Errors: not_found, permission_denied, unsupported, invalid_argument, internal (the server says no more than
// "failure": a name that is taken or a full disk, among others), unavailable (the connection is lost, and so is this),
// corrupt (the server does not keep to the protocol; this is lost too), cancelled.
// Requests that do not need each other's answers are sent at once: what counts is how often the server is waited for.
// Memory: 256 KiB for answers, and what libssh keeps: at most 2 MiB that is on its way.
class SftpClient {
  public:
    static Result<std::unique_ptr<SftpClient>> open(const SftpLocation& location, const SshOptions& options);

    // Whether somebody else can use it.
    bool is_reusable() const { return !is_broken_ && writes_.empty() && early_.empty(); }

    Result<std::string> open_file(const std::string& path, std::uint32_t flags);
    // Sends; waits only while 64 writes are without an answer. The error may be of an earlier write.
    Status write(const std::string& handle, std::uint64_t offset, ByteSpan data);
    // Closes what was written. With Sync::yes it then survives a crash, if the server can do that.
    enum class Sync : std::uint8_t { no, yes };
    Status finish_writes(const std::string& handle, Sync sync);
    // Nobody wants to know any more what became of them.
    void forget_writes();
    // A handle that stays open for the next one who asks for it with the same generation: a later one means that the
    // file may be another. At most eight are open.
    Result<std::string> open_to_read(const std::string& path, std::uint64_t generation);
    // As much of `out` as there is, from `offset` on.
    Result<std::size_t> read(const std::string& handle, std::uint64_t offset, MutableByteSpan out);
    // Makes what was written survive a crash, if the server can.
    Status sync(const std::string& handle);
    // For a handle of which nothing is to be known any more.
    Status close_unheard(const std::string& handle);
    // While nothing is asked for.
    void keep_alive() {
        if (!is_broken_) connection_->keep_alive();
    }

    Result<SftpAttributes> stat(const std::string& path);
    // Both at once: one round trip less.
    struct OpenFile {
        std::string handle;
        SftpAttributes attributes;
    };
    Result<OpenFile> open_and_stat(const std::string& path);
    // Without "." and "..", in no order.
    Result<SftpNames> read_directory(const std::string& path);
    Status make_directory(const std::string& path);
    Status remove_directory(const std::string& path);
    Status remove(const std::string& path);
    // Refuses a name that is taken (internal), on OpenSSH.
    Status rename(const std::string& from, const std::string& to);
    // Replaces. Errors: unsupported.
    Status replace(const std::string& from, const std::string& to);
    // Makes the names in directories survive a crash, if the server can: OpenSSH syncs what it can open. Those that
    // are gone are no error.
    Status sync_directories(const std::vector<std::string>& paths);
    // What is left of the file system. Errors: unsupported.
    Result<std::uint64_t> free_bytes(const std::string& path);

  private:
    static constexpr long usual_seconds = 0;  // SshOptions::stall_seconds

    SftpClient(std::unique_ptr<SshConnection> connection, long stall_seconds)
        : connection_(std::move(connection)), stall_seconds_(stall_seconds) {}
    Status begin();
    bool has(const std::string& extension) const { return version_.extensions.contains(extension); }
    SftpRequest request(SftpType type) { return {type, ++last_id_}; }
    Status send(SftpRequest& request);
    // The next packet, without its length. It lives until the next one is received.
    Result<ByteSpan> receive(long seconds);
    // The next answer that is not of an unheard request.
    Result<SftpReply> receive_reply(long seconds);
    Result<SftpReply> await(std::uint32_t id, long seconds);
    // An answer of this kind, or the error that the server gives in its place.
    template <typename T>
    Result<T> await_as(std::uint32_t id, const std::string& path);
    Status await_status(std::uint32_t id, const std::string& path, long seconds = usual_seconds);
    // Sends a request whose answer is a status.
    Status command(SftpRequest request, const std::string& path, long seconds = usual_seconds);
    // One answer to a write.
    Status await_write();
    // Keeps an answer for who awaits it.
    Status keep(SftpReply reply);
    Status sync_some(std::span<const std::string> paths);
    // Notes that nothing can follow.
    Error broken(Error error);
    Result<SftpNames> read_open_directory(const std::string& handle, const std::string& path);

    const std::unique_ptr<SshConnection> connection_;
    const long stall_seconds_;
    SftpVersion version_;
    std::uint32_t last_id_ = 0;
    bool is_broken_ = false;
    // Received and not parsed yet: from begin_ to end_.
    Bytes inbox_;
    std::size_t begin_ = 0, end_ = 0;
    std::set<std::uint32_t> writes_;   // without an answer
    std::set<std::uint32_t> unheard_;  // whose answers say nothing
    std::map<std::uint32_t, SftpReply> early_;  // answers that came before others that were awaited
    struct Reading {
        std::string path, handle;
        std::uint64_t generation;
    };
    std::vector<Reading> readings_;  // the latest last
};

}  // namespace holdfast
