// The packets of SFTP, bytes <-> structs: pure. Integers are big-endian; each packet has its length before it.
// Source: draft-ietf-secsh-filexfer-02 (version 3), and OpenSSH's PROTOCOL for what is named @openssh.com.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

enum class SftpType : std::uint8_t {
    init = 1,
    version = 2,
    open = 3,
    close = 4,
    read = 5,
    write = 6,
    lstat = 7,
    open_directory = 11,
    read_directory = 12,
    remove = 13,
    make_directory = 14,
    remove_directory = 15,
    stat = 17,
    rename = 18,
    status = 101,
    handle = 102,
    data = 103,
    names = 104,
    attributes = 105,
    extended = 200,
    extended_reply = 201,
};

// What a status says; servers may say others, which mean no more than `failure`.
enum class SftpCode : std::uint32_t {
    ok = 0,
    end_of_file = 1,
    no_such_file = 2,
    permission_denied = 3,
    failure = 4,
    bad_message = 5,
    no_connection = 6,
    connection_lost = 7,
    unsupported = 8,
};

// Flags of SftpType::open.
inline constexpr std::uint32_t sftp_open_read = 0x01;
inline constexpr std::uint32_t sftp_open_write = 0x02;
inline constexpr std::uint32_t sftp_open_create = 0x08;
inline constexpr std::uint32_t sftp_open_exclusive = 0x20;

inline constexpr std::size_t sftp_length_bytes = 4;
// No server sends more (OpenSSH: 256 KiB), and what is asked for is 32 KiB.
inline constexpr std::uint32_t max_sftp_packet_bytes = 256u << 10;

// What a server says of a file: only what it knows.
struct SftpAttributes {
    std::optional<std::uint64_t> bytes;
    std::optional<std::uint32_t> mode;      // as st_mode
    std::optional<std::uint32_t> modified;  // seconds since 1970

    bool is_directory() const;
    bool is_regular() const;
};

struct SftpStatus {
    SftpCode code = SftpCode::failure;
    std::string message;  // printable
};
struct SftpHandle {
    std::string value;
};
// The spans are of the packet that was parsed.
struct SftpData {
    ByteSpan bytes;
};
struct SftpExtended {
    ByteSpan bytes;
};
struct SftpName {
    std::string name;
    SftpAttributes attributes;
};
using SftpNames = std::vector<SftpName>;

struct SftpReply {
    std::uint32_t id = 0;
    std::variant<SftpStatus, SftpHandle, SftpData, SftpNames, SftpAttributes, SftpExtended> answer;
};

struct SftpVersion {
    std::uint32_t version = 0;
    std::map<std::string, std::string> extensions;
};

// A packet to send: type, id (of SftpType::init: the version), fields, in this order.
class SftpRequest {
  public:
    SftpRequest(SftpType type, std::uint32_t id);
    SftpRequest& u32(std::uint32_t value);
    SftpRequest& u64(std::uint64_t value);
    // A string of the protocol: its length, then its bytes.
    SftpRequest& text(std::string_view text) { return data(as_bytes(text)); }
    SftpRequest& data(ByteSpan bytes);
    // Attributes of which only the permissions are given.
    SftpRequest& mode(std::uint32_t mode);

    // With its length before it.
    ByteSpan packet();

  private:
    Bytes bytes_;
};

// The length that a packet begins with. Errors: corrupt (none that a packet can have).
Result<std::uint32_t> parse_sftp_length(ByteSpan four_bytes);
// What follows the length. Errors: corrupt.
Result<SftpReply> parse_sftp_reply(ByteSpan body);
Result<SftpVersion> parse_sftp_version(ByteSpan body);
// What is left of a file system, in an answer to statvfs@openssh.com. Errors: corrupt.
Result<std::uint64_t> parse_sftp_free_bytes(ByteSpan answer);

}  // namespace holdfast
