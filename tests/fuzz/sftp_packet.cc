// Input: a packet of an SFTP server, without its length.
#include "storage/sftp/sftp_packet.h"

#include <algorithm>

#include "targets.h"

namespace holdfast {

void fuzz_sftp_packet(ByteSpan input) {
    const auto is_inside = [input](ByteSpan part) {
        return part.empty() || (part.data() >= input.data() && part.data() + part.size() <= input.data() + input.size());
    };
    const auto reply = parse_sftp_reply(input);
    if (reply.ok()) {
        if (const auto* const data = std::get_if<SftpData>(&reply->answer)) HF_CHECK(is_inside(data->bytes));
        if (const auto* const names = std::get_if<SftpNames>(&reply->answer))
            for (const SftpName& name : *names) HF_CHECK(!name.name.empty() && name.name.find('/') == std::string::npos);
        if (const auto* const status = std::get_if<SftpStatus>(&reply->answer))
            HF_CHECK(std::all_of(status->message.begin(), status->message.end(), [](char c) { return c >= ' ' && c <= '~'; }));
        if (const auto* const extended = std::get_if<SftpExtended>(&reply->answer)) {
            HF_CHECK(is_inside(extended->bytes));
            (void)parse_sftp_free_bytes(extended->bytes).ok();
        }
    }
    (void)parse_sftp_version(input).ok();
    const auto length = parse_sftp_length(input);
    HF_CHECK(!length.ok() || *length <= max_sftp_packet_bytes);
}

}  // namespace holdfast
