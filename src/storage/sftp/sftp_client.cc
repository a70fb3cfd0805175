#include "storage/sftp/sftp_client.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::uint32_t protocol_version = 3;
// What every server reads and writes at once; more is cut short by some.
constexpr std::size_t piece_bytes = 32u << 10;
// 2 MiB on their way: at most 100 MB/s at 20 ms. OpenSSH's window is of the same size.
constexpr std::size_t max_in_flight = 64;
// Each answers with about a hundred names.
constexpr std::size_t max_listings_in_flight = 4;
// A disk may take its time to write what is waiting.
constexpr long sync_seconds = 120;
// Answers that come in another order are kept; more than are awaited at once come from a server that makes them up.
constexpr std::size_t max_early_answers = 64;
// Handles that are kept open: reading goes on where it was, in as many places as there are threads.
constexpr std::size_t max_readings = 8;

const std::string sync_extension = "fsync@openssh.com";
const std::string replace_extension = "posix-rename@openssh.com";
const std::string free_space_extension = "statvfs@openssh.com";

ErrorCode code_of(SftpCode code) {
    switch (code) {
        case SftpCode::no_such_file: return ErrorCode::not_found;
        case SftpCode::permission_denied: return ErrorCode::permission_denied;
        case SftpCode::bad_message: return ErrorCode::invalid_argument;
        case SftpCode::no_connection:
        case SftpCode::connection_lost: return ErrorCode::unavailable;
        case SftpCode::unsupported: return ErrorCode::unsupported;
        case SftpCode::ok:
        case SftpCode::end_of_file:
        case SftpCode::failure: break;
    }
    return ErrorCode::internal;
}

Error error_of(const SftpStatus& status, const std::string& path) {
    return {code_of(status.code),
            path + ": the SFTP server answers: " +
                (status.message.empty() ? "status " + std::to_string(static_cast<std::uint32_t>(status.code))
                                        : status.message)};
}

Error unexpected() {
    return {ErrorCode::corrupt, "the SFTP server's answer is not one to what it was asked"};
}

}  // namespace

Result<std::unique_ptr<SftpClient>> SftpClient::open(const SftpLocation& location, const SshOptions& options) {
    HF_TRY(auto connection, SshConnection::open(location, options));
    std::unique_ptr<SftpClient> client(new SftpClient(std::move(connection), options.stall_seconds));
    HF_TRY_STATUS(client->begin());
    return client;
}

Status SftpClient::begin() {
    inbox_.resize(2 * (sftp_length_bytes + max_sftp_packet_bytes));
    SftpRequest hello(SftpType::init, protocol_version);
    HF_TRY_STATUS(send(hello));
    HF_TRY(const ByteSpan body, receive(stall_seconds_));
    auto version = parse_sftp_version(body);
    if (!version.ok()) return broken(std::move(version).error());
    version_ = std::move(version).value();
    if (version_.version == protocol_version) return {};
    return broken(Error(ErrorCode::unsupported,
                        "the server speaks version " + std::to_string(version_.version) + " of SFTP, not version 3"));
}

Error SftpClient::broken(Error error) {
    is_broken_ = true;
    return error;
}

Status SftpClient::send(SftpRequest& request) {
    auto sent = connection_->write(request.packet());
    if (!sent.ok()) return broken(std::move(sent).error());
    return {};
}

Result<ByteSpan> SftpClient::receive(long seconds) {
    std::size_t wanted = sftp_length_bytes;
    for (bool has_length = false;;) {
        if (end_ - begin_ >= wanted) {
            const ByteSpan packet = ByteSpan(inbox_).subspan(begin_, wanted);
            if (has_length) {
                begin_ += wanted;
                return packet.subspan(sftp_length_bytes);
            }
            const auto length = parse_sftp_length(packet);
            if (!length.ok()) return broken(length.error());
            wanted += *length;
            has_length = true;
            continue;
        }
        if (begin_ != 0 && (begin_ == end_ || inbox_.size() - begin_ < wanted)) {
            std::copy(inbox_.begin() + static_cast<std::ptrdiff_t>(begin_),
                      inbox_.begin() + static_cast<std::ptrdiff_t>(end_), inbox_.begin());
            end_ -= begin_;
            begin_ = 0;
        }
        const auto bytes = connection_->read_some(MutableByteSpan(inbox_).subspan(end_), seconds);
        if (!bytes.ok()) return broken(bytes.error());
        end_ += *bytes;
    }
}

Result<SftpReply> SftpClient::receive_reply(long seconds) {
    for (;;) {
        HF_TRY(const ByteSpan body, receive(seconds == usual_seconds ? stall_seconds_ : seconds));
        auto reply = parse_sftp_reply(body);
        if (!reply.ok()) return broken(std::move(reply).error());
        if (unheard_.erase(reply->id) == 0) return reply;
    }
}

Result<SftpReply> SftpClient::await(std::uint32_t id, long seconds) {
    if (auto early = early_.extract(id)) return std::move(early.mapped());
    for (;;) {
        HF_TRY(SftpReply reply, receive_reply(seconds));
        if (reply.id == id) return reply;
        HF_TRY_STATUS(keep(std::move(reply)));
    }
}

Status SftpClient::keep(SftpReply reply) {
    // What refers to the packet, which does not stay, is never asked for beside something else.
    const bool has_span = std::holds_alternative<SftpData>(reply.answer) ||
                          std::holds_alternative<SftpExtended>(reply.answer);
    if (has_span || early_.size() == max_early_answers) return broken(unexpected());
    early_.insert_or_assign(reply.id, std::move(reply));
    return {};
}

template <typename T>
Result<T> SftpClient::await_as(std::uint32_t id, const std::string& path) {
    HF_TRY(SftpReply reply, await(id, usual_seconds));
    if (auto* const answer = std::get_if<T>(&reply.answer)) return std::move(*answer);
    const auto* const status = std::get_if<SftpStatus>(&reply.answer);
    if (status == nullptr || status->code == SftpCode::ok) return broken(unexpected());
    return error_of(*status, path);
}

Status SftpClient::await_status(std::uint32_t id, const std::string& path, long seconds) {
    HF_TRY(const SftpReply reply, await(id, seconds));
    const auto* const status = std::get_if<SftpStatus>(&reply.answer);
    if (status == nullptr) return broken(unexpected());
    if (status->code == SftpCode::ok) return {};
    return error_of(*status, path);
}

Status SftpClient::command(SftpRequest request, const std::string& path, long seconds) {
    const std::uint32_t id = last_id_;
    HF_TRY_STATUS(send(request));
    return await_status(id, path, seconds);
}

Result<std::string> SftpClient::open_file(const std::string& path, std::uint32_t flags) {
    SftpRequest open = request(SftpType::open);
    HF_TRY_STATUS(send(open.text(path).u32(flags).mode(0600)));
    HF_TRY(SftpHandle handle, await_as<SftpHandle>(last_id_, path));
    return std::move(handle.value);
}

Result<SftpClient::OpenFile> SftpClient::open_and_stat(const std::string& path) {
    SftpRequest look = request(SftpType::stat);
    const std::uint32_t look_id = last_id_;
    HF_TRY_STATUS(send(look.text(path)));
    SftpRequest open = request(SftpType::open);
    const std::uint32_t open_id = last_id_;
    HF_TRY_STATUS(send(open.text(path).u32(sftp_open_read).mode(0)));
    auto attributes = await_as<SftpAttributes>(look_id, path);
    auto handle = await_as<SftpHandle>(open_id, path);
    if (!handle.ok()) return std::move(handle).error();
    if (!attributes.ok()) {
        HF_TRY_STATUS(close_unheard(handle->value));
        return std::move(attributes).error();
    }
    return OpenFile{std::move(handle->value), *attributes};
}

Status SftpClient::write(const std::string& handle, std::uint64_t offset, ByteSpan data) {
    while (!data.empty()) {
        while (writes_.size() >= max_in_flight) HF_TRY_STATUS(await_write());
        const ByteSpan piece = data.first(std::min(data.size(), piece_bytes));
        SftpRequest write = request(SftpType::write);
        HF_TRY_STATUS(send(write.text(handle).u64(offset).data(piece)));
        writes_.insert(last_id_);
        offset += piece.size();
        data = data.subspan(piece.size());
    }
    return {};
}

Status SftpClient::finish_writes(const std::string& handle, Sync sync) {
    // The server does them in this order.
    const bool is_synced = sync == Sync::yes && has(sync_extension);
    std::uint32_t sync_id = 0;
    if (is_synced) {
        SftpRequest request_sync = request(SftpType::extended);
        sync_id = last_id_;
        HF_TRY_STATUS(send(request_sync.text(sync_extension).text(handle)));
    }
    SftpRequest close = request(SftpType::close);
    const std::uint32_t close_id = last_id_;
    HF_TRY_STATUS(send(close.text(handle)));
    Status outcome;
    while (!writes_.empty() && outcome.ok()) outcome = await_write();
    forget_writes();
    if (is_broken_) return outcome;
    Status synced = is_synced ? await_status(sync_id, "syncing", sync_seconds) : ok_status();
    if (outcome.ok()) outcome = std::move(synced);
    if (is_broken_) return outcome;
    Status closed = await_status(close_id, "closing", sync_seconds);
    return outcome.ok() ? closed : outcome;
}

void SftpClient::forget_writes() {
    unheard_.merge(writes_);
}

Status SftpClient::await_write() {
    HF_TRY(SftpReply reply, receive_reply(usual_seconds));
    if (writes_.erase(reply.id) == 0) return keep(std::move(reply));
    const auto* const status = std::get_if<SftpStatus>(&reply.answer);
    if (status == nullptr) return broken(unexpected());
    return status->code == SftpCode::ok ? ok_status() : Status(error_of(*status, "writing"));
}

Result<std::uint64_t> SftpClient::free_bytes(const std::string& path) {
    if (!has(free_space_extension)) return Error(ErrorCode::unsupported, path + ": the server does not say what is free");
    SftpRequest look = request(SftpType::extended);
    HF_TRY_STATUS(send(look.text(free_space_extension).text(path)));
    HF_TRY(const SftpExtended answer, await_as<SftpExtended>(last_id_, path));
    return parse_sftp_free_bytes(answer.bytes);
}

Result<std::string> SftpClient::open_to_read(const std::string& path, std::uint64_t generation) {
    auto found = std::find_if(readings_.begin(), readings_.end(), [&](const Reading& one) { return one.path == path; });
    if (found != readings_.end() && found->generation == generation) {
        std::rotate(found, found + 1, readings_.end());
        return readings_.back().handle;
    }
    if (found == readings_.end() && readings_.size() == max_readings) found = readings_.begin();
    if (found != readings_.end()) {
        HF_TRY_STATUS(close_unheard(found->handle));
        readings_.erase(found);
    }
    HF_TRY(std::string handle, open_file(path, sftp_open_read));
    readings_.push_back({path, handle, generation});
    return handle;
}

Result<std::size_t> SftpClient::read(const std::string& handle, std::uint64_t offset, MutableByteSpan out) {
    struct Piece {
        std::size_t begin, bytes;
    };
    std::map<std::uint32_t, Piece> pieces;
    const auto ask = [&](Piece piece) -> Status {
        SftpRequest read = request(SftpType::read);
        HF_TRY_STATUS(send(read.text(handle).u64(offset + piece.begin).u32(static_cast<std::uint32_t>(piece.bytes))));
        pieces.emplace(last_id_, piece);
        return {};
    };
    std::size_t end = out.size();
    for (std::size_t asked = 0;;) {
        for (; asked < end && pieces.size() < max_in_flight; asked += std::min(piece_bytes, end - asked))
            HF_TRY_STATUS(ask({asked, std::min(piece_bytes, end - asked)}));
        if (pieces.empty()) return end;
        HF_TRY(const SftpReply reply, receive_reply(usual_seconds));
        const auto found = pieces.extract(reply.id);
        if (!found) return broken(unexpected());
        const Piece piece = found.mapped();
        if (const auto* const data = std::get_if<SftpData>(&reply.answer)) {
            const std::size_t bytes = data->bytes.size();
            if (bytes == 0 || bytes > piece.bytes) return broken(unexpected());
            std::copy(data->bytes.begin(), data->bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(piece.begin));
            // Cut short before the end: the rest is asked for again.
            if (bytes < piece.bytes) HF_TRY_STATUS(ask({piece.begin + bytes, piece.bytes - bytes}));
            continue;
        }
        const auto* const status = std::get_if<SftpStatus>(&reply.answer);
        if (status == nullptr || status->code == SftpCode::ok) return broken(unexpected());
        if (status->code != SftpCode::end_of_file) {
            for (const auto& [id, other] : pieces) unheard_.insert(id);
            return error_of(*status, "reading");
        }
        end = std::min(end, piece.begin);
    }
}

Status SftpClient::sync(const std::string& handle) {
    if (!has(sync_extension)) return {};
    return command(request(SftpType::extended).text(sync_extension).text(handle), "syncing", sync_seconds);
}

Status SftpClient::close_unheard(const std::string& handle) {
    SftpRequest close = request(SftpType::close);
    HF_TRY_STATUS(send(close.text(handle)));
    unheard_.insert(last_id_);
    return {};
}

Result<SftpAttributes> SftpClient::stat(const std::string& path) {
    SftpRequest look = request(SftpType::stat);
    HF_TRY_STATUS(send(look.text(path)));
    return await_as<SftpAttributes>(last_id_, path);
}

Result<SftpNames> SftpClient::read_directory(const std::string& path) {
    SftpRequest open = request(SftpType::open_directory);
    HF_TRY_STATUS(send(open.text(path)));
    HF_TRY(const SftpHandle handle, await_as<SftpHandle>(last_id_, path));
    auto names = read_open_directory(handle.value, path);
    if (!is_broken_) HF_TRY_STATUS(close_unheard(handle.value));
    return names;
}

// What ends otherwise than by "end of file" may be less than all.
Result<SftpNames> SftpClient::read_open_directory(const std::string& handle, const std::string& path) {
    SftpNames names;
    std::set<std::uint32_t> in_flight;
    for (bool is_at_end = false;;) {
        while (!is_at_end && in_flight.size() < max_listings_in_flight) {
            SftpRequest next = request(SftpType::read_directory);
            HF_TRY_STATUS(send(next.text(handle)));
            in_flight.insert(last_id_);
        }
        if (in_flight.empty()) return names;
        HF_TRY(SftpReply reply, receive_reply(usual_seconds));
        if (in_flight.erase(reply.id) == 0) return broken(unexpected());
        if (auto* const some = std::get_if<SftpNames>(&reply.answer)) {
            if (some->empty()) return broken(unexpected());
            for (SftpName& name : *some)
                if (name.name != "." && name.name != "..") names.push_back(std::move(name));
            continue;
        }
        const auto* const status = std::get_if<SftpStatus>(&reply.answer);
        if (status == nullptr || status->code == SftpCode::ok) return broken(unexpected());
        if (status->code != SftpCode::end_of_file) {
            unheard_.merge(in_flight);
            return error_of(*status, path);
        }
        is_at_end = true;
    }
}

Status SftpClient::make_directory(const std::string& path) {
    return command(request(SftpType::make_directory).text(path).mode(0700), path);
}

Status SftpClient::remove_directory(const std::string& path) {
    return command(request(SftpType::remove_directory).text(path), path);
}

Status SftpClient::remove(const std::string& path) {
    return command(request(SftpType::remove).text(path), path);
}

Status SftpClient::rename(const std::string& from, const std::string& to) {
    return command(request(SftpType::rename).text(from).text(to), to);
}

Status SftpClient::replace(const std::string& from, const std::string& to) {
    if (!has(replace_extension))
        return Error(ErrorCode::unsupported, to + ": the SFTP server cannot replace a file (" + replace_extension + ')');
    return command(request(SftpType::extended).text(replace_extension).text(from).text(to), to);
}

Status SftpClient::sync_directories(const std::vector<std::string>& paths) {
    if (!has(sync_extension)) return {};
    for (std::span<const std::string> left = paths; !left.empty();) {
        const std::size_t count = std::min(left.size(), max_early_answers);
        HF_TRY_STATUS(sync_some(left.first(count)));
        left = left.subspan(count);
    }
    return {};
}

Status SftpClient::sync_some(std::span<const std::string> paths) {
    std::vector<std::uint32_t> opens, syncs;
    for (const std::string& path : paths) {
        SftpRequest open = request(SftpType::open);
        opens.push_back(last_id_);
        HF_TRY_STATUS(send(open.text(path).u32(sftp_open_read).mode(0)));
    }
    for (const std::uint32_t id : opens) {
        const auto handle = await_as<SftpHandle>(id, "");
        if (is_broken_) return handle.ok() ? ok_status() : Status(handle.error());
        // Other servers open files only: there is no way to do it.
        if (!handle.ok()) continue;
        SftpRequest request_sync = request(SftpType::extended);
        syncs.push_back(last_id_);
        HF_TRY_STATUS(send(request_sync.text(sync_extension).text(handle->value)));
        HF_TRY_STATUS(close_unheard(handle->value));
    }
    Status outcome;
    for (const std::uint32_t id : syncs) {
        Status synced = await_status(id, "syncing a directory", sync_seconds);
        if (outcome.ok()) outcome = std::move(synced);
        if (is_broken_) return outcome;
    }
    return outcome;
}

}  // namespace holdfast
