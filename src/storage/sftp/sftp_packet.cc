#include "storage/sftp/sftp_packet.h"

#include <sys/stat.h>

#include <limits>

namespace holdfast {
namespace {

constexpr std::uint32_t has_size = 0x01, has_owner = 0x02, has_mode = 0x04, has_times = 0x08, has_more = 0x80000000;
// "The length of the handle string MUST NOT exceed 256 data bytes."
constexpr std::size_t max_handle_bytes = 256;
constexpr std::size_t max_message_bytes = 200;

Error damaged(const std::string& what) {
    return {ErrorCode::corrupt, "the SFTP server's answer is not what it should be: " + what};
}

// As ByteReader, but big-endian. After the first read that does not fit everything is zero or empty.
class PacketReader {
  public:
    explicit PacketReader(ByteSpan data) : reader_(data) {}

    bool ok() const { return reader_.ok(); }
    bool at_end() const { return reader_.at_end(); }
    std::uint8_t u8() { return reader_.u8(); }
    std::uint32_t u32() { return integer<std::uint32_t>(); }
    std::uint64_t u64() { return integer<std::uint64_t>(); }
    ByteSpan data() { return reader_.bytes(u32()); }
    std::string text() { return std::string(as_text(data())); }

    SftpAttributes attributes() {
        SftpAttributes result;
        const std::uint32_t flags = u32();
        if (flags & has_size) result.bytes = u64();
        if (flags & has_owner) u64();
        if (flags & has_mode) result.mode = u32();
        if (flags & has_times) {
            u32();
            result.modified = u32();
        }
        if (flags & has_more)
            for (std::uint32_t left = u32(); left != 0 && ok(); --left) {
                data();
                data();
            }
        return result;
    }

  private:
    template <typename T>
    T integer() {
        T value = 0;
        for (const std::uint8_t byte : reader_.bytes(sizeof(T))) value = static_cast<T>(value << 8 | byte);
        return value;
    }

    ByteReader reader_;
};

// Of a message that is shown on a terminal.
std::string printable(std::string text) {
    if (text.size() > max_message_bytes) text.resize(max_message_bytes);
    for (char& c : text)
        if (c < ' ' || c > '~') c = '?';
    return text;
}

SftpStatus read_status(PacketReader& reader) {
    const std::uint32_t code = reader.u32();
    SftpStatus status;
    status.code = code <= static_cast<std::uint32_t>(SftpCode::unsupported) ? static_cast<SftpCode>(code)
                                                                             : SftpCode::failure;
    // Servers of older versions say no more; the language, which follows, says nothing.
    if (reader.ok() && !reader.at_end()) status.message = printable(reader.text());
    return status;
}

Result<SftpNames> read_names(PacketReader& reader) {
    SftpNames names;
    for (std::uint32_t left = reader.u32(); left != 0 && reader.ok(); --left) {
        SftpName name;
        name.name = reader.text();
        reader.data();  // as `ls -l` prints it
        name.attributes = reader.attributes();
        if (name.name.empty() || name.name.find_first_of(std::string_view("/\0", 2)) != std::string::npos)
            return damaged("a name in a directory");
        names.push_back(std::move(name));
    }
    return names;
}

}  // namespace

bool SftpAttributes::is_directory() const {
    return mode && S_ISDIR(*mode);
}

bool SftpAttributes::is_regular() const {
    return mode && S_ISREG(*mode);
}

SftpRequest::SftpRequest(SftpType type, std::uint32_t id) {
    u32(0);
    bytes_.push_back(static_cast<std::uint8_t>(type));
    u32(id);
}

SftpRequest& SftpRequest::u32(std::uint32_t value) {
    for (unsigned shift = 32; shift != 0; shift -= 8) bytes_.push_back(static_cast<std::uint8_t>(value >> (shift - 8)));
    return *this;
}

SftpRequest& SftpRequest::u64(std::uint64_t value) {
    u32(static_cast<std::uint32_t>(value >> 32));
    return u32(static_cast<std::uint32_t>(value));
}

SftpRequest& SftpRequest::data(ByteSpan bytes) {
    HF_CHECK(bytes.size() < max_sftp_packet_bytes);
    bytes_.reserve(bytes_.size() + sftp_length_bytes + bytes.size());
    u32(static_cast<std::uint32_t>(bytes.size()));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
}

SftpRequest& SftpRequest::mode(std::uint32_t mode) {
    return u32(has_mode).u32(mode);
}

ByteSpan SftpRequest::packet() {
    const std::size_t length = bytes_.size() - sftp_length_bytes;
    for (std::size_t i = 0; i < sftp_length_bytes; ++i) bytes_[i] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
    return bytes_;
}

Result<std::uint32_t> parse_sftp_length(ByteSpan four_bytes) {
    PacketReader reader(four_bytes);
    const std::uint32_t length = reader.u32();
    // A type and an id are the least.
    if (!reader.ok() || length < 5 || length > max_sftp_packet_bytes) return damaged("a packet's length");
    return length;
}

Result<SftpReply> parse_sftp_reply(ByteSpan body) {
    PacketReader reader(body);
    const std::uint8_t type = reader.u8();
    SftpReply reply;
    reply.id = reader.u32();
    switch (type) {
        case static_cast<std::uint8_t>(SftpType::status): reply.answer = read_status(reader); break;
        case static_cast<std::uint8_t>(SftpType::handle): {
            std::string handle = reader.text();
            if (handle.size() > max_handle_bytes) return damaged("a handle's length");
            reply.answer = SftpHandle{std::move(handle)};
            break;
        }
        case static_cast<std::uint8_t>(SftpType::data): reply.answer = SftpData{reader.data()}; break;
        case static_cast<std::uint8_t>(SftpType::names): {
            HF_TRY(reply.answer, read_names(reader));
            break;
        }
        case static_cast<std::uint8_t>(SftpType::attributes): reply.answer = reader.attributes(); break;
        case static_cast<std::uint8_t>(SftpType::extended_reply):
            // Its form depends on the request.
            reply.answer = SftpExtended{body.subspan(std::min<std::size_t>(5, body.size()))};
            break;
        default: return damaged("a packet of type " + std::to_string(type));
    }
    if (!reader.ok()) return damaged("a packet that is too short");
    return reply;
}

Result<SftpVersion> parse_sftp_version(ByteSpan body) {
    PacketReader reader(body);
    if (reader.u8() != static_cast<std::uint8_t>(SftpType::version)) return damaged("no version");
    SftpVersion version;
    version.version = reader.u32();
    while (reader.ok() && !reader.at_end()) {
        std::string name = reader.text();
        version.extensions[std::move(name)] = reader.text();
    }
    if (!reader.ok()) return damaged("a version that is too short");
    return version;
}

Result<std::uint64_t> parse_sftp_free_bytes(ByteSpan answer) {
    PacketReader reader(answer);
    reader.u64();  // f_bsize
    const std::uint64_t fragment_bytes = reader.u64();
    reader.u64();  // f_blocks
    reader.u64();  // f_bfree
    const std::uint64_t available = reader.u64();
    if (!reader.ok()) return damaged("the file system's state is too short");
    if (fragment_bytes != 0 && available > std::numeric_limits<std::uint64_t>::max() / fragment_bytes)
        return std::numeric_limits<std::uint64_t>::max();
    return fragment_bytes * available;
}

}  // namespace holdfast
