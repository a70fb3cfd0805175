#include "repository/mend_objects.h"

#include <map>
#include <optional>

#include "repository/object_io.h"
#include "repository/object_mender.h"
#include "repository/repository.h"

namespace holdfast {
namespace {

constexpr std::size_t read_bytes_at_once = 1u << 20;
constexpr std::uint64_t max_twin_bytes = 1u << 20;

// Misplaced: another object than its name says; nothing can make it the right one.
enum class State : std::uint8_t { whole, damaged, misplaced, newer, gone, frozen };

// What an object's name says of its id; slots and configuration have none of their own.
std::optional<ObjectId> id_in_name(const std::string& name) {
    for (const char* folder : {"data/", "meta/", "index/", "points/", "tombstones/", "attestations/"})
        if (name.starts_with(folder) && name.size() > 32)
            return ObjectId::from_hex(std::string_view(name).substr(name.size() - 32));
    return std::nullopt;
}

class Mending {
  public:
    Mending(Storage& storage,
            const RepositoryId& repository,
            bool dry_run,
            Progress& progress,
            const std::stop_token& stop)
        : storage_(storage),
          repository_(repository),
          dry_run_(dry_run),
          progress_(progress),
          stop_(stop) {}

    Result<MendReport> run();

  private:
    bool belongs_here(const EnvelopeHeader& header, const std::string& name) const;
    bool holds_what_its_name_says(const std::string& name, ObjectKind kind);
    Result<State> state_of(const ObjectInfo& info);
    Status compare(const ObjectInfo& info, const EnvelopeTrailer& trailer);
    Result<bool> mend(const ObjectInfo& info);
    Status mend_twins();
    Status copy_twin(const std::string& from, const std::string& to, bool is_there);

    Storage& storage_;
    const RepositoryId repository_;
    const bool dry_run_;
    Progress& progress_;
    const std::stop_token& stop_;
    std::map<std::string, bool> twins_;  // name -> is whole (now)
    MendReport report_;
};

bool Mending::belongs_here(const EnvelopeHeader& header, const std::string& name) const {
    const auto id = id_in_name(name);
    return header.repository == repository_ && (!id || *id == header.object);
}

// What is in clear says in its record which one it is.
bool Mending::holds_what_its_name_says(const std::string& name, ObjectKind kind) {
    const auto object = storage_.get(name, max_twin_bytes);
    if (!object.ok()) return false;
    const auto record = open_clear_object(*object, kind);
    return record.ok() && check_clear_record(name, *record).ok();
}

// Body, parity and tail against what the trailer says. Errors: corrupt.
Status Mending::compare(const ObjectInfo& info, const EnvelopeTrailer& trailer) {
    const Error bad(ErrorCode::corrupt, info.name);
    const bool has_parity = trailer.has_parity();
    if (!has_parity && trailer.parity.scheme == ParityLayout::reed_solomon) return bad;
    Hasher hasher;
    std::optional<ParityEncoder> parity;
    if (has_parity) parity.emplace(trailer.parity);
    Bytes buffer(read_bytes_at_once);
    for (std::uint64_t offset = 0; offset < trailer.body_bytes;) {
        const MutableByteSpan part = MutableByteSpan(buffer).first(static_cast<std::size_t>(
            std::min<std::uint64_t>(buffer.size(), trailer.body_bytes - offset)));
        HF_TRY_STATUS(storage_.read(info.name, offset, part));
        if (offset == 0) {
            const auto header = decode_header(part);
            if (!header.ok() || *header != trailer.header) return bad;
        }
        hasher.update(part);
        if (parity) parity->update(part);
        offset += part.size();
        progress_.bytes += part.size();
    }
    report_.read_bytes += trailer.body_bytes;
    if (hasher.finish() != trailer.body_hash) return bad;
    if (!parity) return {};
    Bytes end(static_cast<std::size_t>(trailer.object_bytes() - trailer.body_bytes));
    HF_TRY_STATUS(storage_.read(info.name, trailer.body_bytes, end));
    return check_object_end(trailer, parity->finish(), end);
}

Result<State> Mending::state_of(const ObjectInfo& info) {
    const auto judge = [](const Error& error) -> Result<State> {
        if (error.code() == ErrorCode::corrupt) return State::damaged;
        if (error.code() == ErrorCode::unsupported) return State::newer;
        if (error.code() == ErrorCode::not_found) return State::gone;
        if (error.code() == ErrorCode::frozen) return State::frozen;
        return error;
    };
    Bytes tail(static_cast<std::size_t>(std::min<std::uint64_t>(info.bytes, tail_bytes_max)));
    const Status read = storage_.read(info.name, info.bytes - tail.size(), tail);
    if (!read.ok()) return judge(read.error());
    const auto trailer = decode_tail(tail, info.bytes);
    if (!trailer.ok()) return judge(trailer.error());
    if (!trailer->check_holds) return State::damaged;
    if (!belongs_here(trailer->header, info.name)) return State::misplaced;
    const Status compared = compare(info, *trailer);
    if (!compared.ok()) return judge(compared.error());
    const auto kind = clear_kind_of(info.name);
    if (kind && !holds_what_its_name_says(info.name, *kind)) return State::misplaced;
    return State::whole;
}

// Whether parity tells what it was; then it is so again.
Result<bool> Mending::mend(const ObjectInfo& info) {
    const auto failed = [](const Error& error) -> Result<bool> {
        if (error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported ||
            error.code() == ErrorCode::not_found)
            return false;
        return error;
    };
    const auto mender = ObjectMender::open(storage_, info.name, info.bytes);
    if (!mender.ok()) return failed(mender.error());
    if (!belongs_here((*mender)->trailer().header, info.name)) return false;
    // Read and proven first: nothing is written that does not take the place.
    const Status proven = (*mender)->write([](ByteSpan) { return ok_status(); });
    if (!proven.ok()) return failed(proven.error());
    if (dry_run_) return true;
    HF_TRY(const auto writer, storage_.begin_again(info.name));
    HF_TRY_STATUS((*mender)->write([&](ByteSpan piece) { return writer->append(piece); }));
    const Status taken = writer->commit(Durability::immediate);
    // Removed since it was read: so it stays.
    if (!taken.ok() && taken.error().code() == ErrorCode::not_found) return true;
    HF_TRY_STATUS(taken);
    return true;
}

Status Mending::copy_twin(const std::string& from, const std::string& to, bool is_there) {
    HF_TRY(const Bytes object, storage_.get(from, max_twin_bytes));
    if (is_there) {
        HF_TRY(const auto writer, storage_.begin_again(to));
        HF_TRY_STATUS(writer->append(object));
        HF_TRY_STATUS(writer->commit(Durability::immediate));
    } else {
        HF_TRY_STATUS(storage_.put(to, object, Durability::immediate));
    }
    // A key that is removed at the same moment must not stay by its second copy.
    const auto source = storage_.head(from);
    if (!source.ok() && source.error().code() == ErrorCode::not_found) return storage_.remove(to);
    return source.ok() ? ok_status() : Status(source.error());
}

// A copy that is lost or beyond mending, from the other one.
Status Mending::mend_twins() {
    const std::map<std::string, bool> found = twins_;
    for (const auto& [name, is_whole] : found) {
        const std::string twin = twin_of(name);
        const auto other = found.find(twin);
        if (!is_whole || (other != found.end() && other->second)) continue;
        if (!dry_run_) HF_TRY_STATUS(copy_twin(name, twin, other != found.end()));
        report_.mended.push_back(twin);
        report_.beyond_mending.erase(twin);
    }
    return {};
}

Result<MendReport> Mending::run() {
    HF_TRY(const std::vector<ObjectInfo> objects, list_objects(storage_, ""));
    for (const ObjectInfo& info : objects) progress_.total_bytes += info.bytes;
    for (const ObjectInfo& info : objects) {
        if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        if (info.name.starts_with("leases/")) continue;
        ++report_.objects;
        HF_TRY(State state, state_of(info));
        bool is_mended = false;
        if (state == State::frozen) ++report_.frozen;
        if (state == State::damaged) {
            HF_TRY(is_mended, mend(info));
        } else if (state == State::whole && !dry_run_) {
            // A repair that was killed may have mended it: that must last.
            const Status adopted = storage_.adopt(info.name);
            if (!adopted.ok() && adopted.error().code() != ErrorCode::not_found) return adopted.error();
        }
        if (is_mended) {
            report_.mended.push_back(info.name);
            state = State::whole;
        } else if (state == State::damaged || state == State::misplaced) {
            report_.beyond_mending.insert(info.name);
        }
        if (clear_kind_of(info.name) && state != State::newer)
            twins_[info.name] = state == State::whole;
    }
    HF_TRY_STATUS(mend_twins());
    if (!dry_run_) HF_TRY_STATUS(storage_.barrier());
    return std::move(report_);
}

}  // namespace

Result<MendReport> mend_objects(Storage& storage,
                                const RepositoryId& repository,
                                bool dry_run,
                                Progress& progress,
                                const std::stop_token& stop) {
    return Mending(storage, repository, dry_run, progress, stop).run();
}

}  // namespace holdfast
