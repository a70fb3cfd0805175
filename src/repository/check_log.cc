#include "repository/check_log.h"

#include "base/bytes.h"
#include "base/file_io.h"

namespace holdfast {
namespace {

// Layout: magic, 8 | for each container: id, 16; time, 8.
constexpr std::uint64_t log_magic = 0x31304743'4B434648u;
constexpr std::uint64_t max_log_bytes = 1u << 30;

}  // namespace

CheckLog CheckLog::load(const std::string& path) {
    CheckLog log(path);
    if (path.empty()) return log;
    const auto data = read_file(path, max_log_bytes);
    if (!data.ok()) return log;
    ByteReader in(*data);
    if (in.u64() != log_magic) return log;
    while (in.ok() && !in.at_end()) {
        const ObjectId id{in.array<16>()};
        const auto time = static_cast<TimeNs>(in.u64());
        if (in.ok()) log.times_[id] = time;
    }
    return log;
}

std::optional<TimeNs> CheckLog::last(const ObjectId& container) const {
    const auto found = times_.find(container);
    return found == times_.end() ? std::nullopt : std::optional(found->second);
}

void CheckLog::write() const {
    if (path_.empty()) return;
    Bytes data;
    ByteWriter out(data);
    out.u64(log_magic);
    for (const auto& [id, time] : times_) {
        out.bytes(id.bytes);
        out.u64(static_cast<std::uint64_t>(time));
    }
    (void)replace_file(path_, data, 0600).ok();
}

}  // namespace holdfast
