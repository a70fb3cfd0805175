#include "storage/swift/swift_storage.h"

#include <charconv>
#include <limits>

#include "base/random.h"
#include "crypto/sha256.h"
#include "storage/object_checks.h"
#include "storage/spool/spooled_writer.h"
#include "storage/swift/swift_listing.h"

namespace holdfast {
namespace {

// Less than services allow (10,000): a page is in memory as JSON, about a kilobyte an entry.
constexpr unsigned page_entries = 1000;
// A name has at most 1,024 bytes, six times that where JSON has to escape them.
constexpr std::uint64_t max_listing_bytes = 8u << 20;
constexpr const char* mark_header = "x-object-meta-holdfast-put";

Result<std::uint64_t> size_in(const HttpResponse& response, const std::string& name) {
    const std::string text = response.header("content-length").value_or("");
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty())
        return Error(ErrorCode::corrupt, name + ": the service does not say how long it is");
    return bytes;
}

}  // namespace

Result<std::unique_ptr<Storage>> SwiftStorage::open(const std::string& location,
                                                    OpenMode mode,
                                                    const StorageOptions& options,
                                                    const Environment& environment) {
    HF_TRY(SwiftLocation parsed, parse_swift_location(location));
    SwiftOptions swift;
    swift.backoff = options.backoff;
    swift.http.stop = options.stop;
    swift.http.ca_file = options.ca_file.empty() ? environment("OS_CACERT").value_or("") : options.ca_file;
    HF_TRY(auto client, SwiftClient::open(std::move(parsed), std::move(swift), environment, system_clock(),
                                          system_random()));
    std::unique_ptr<SwiftStorage> storage(new SwiftStorage(std::move(client)));
    if (mode == OpenMode::create) {
        HF_TRY_STATUS(storage->make_container());
        HF_TRY_STATUS(check_empty(*storage));
        HF_TRY_STATUS(storage->check_conditions());
    }
    return std::unique_ptr<Storage>(std::move(storage));
}

std::string SwiftStorage::key_of(const std::string& name) const {
    const std::string& prefix = client_->location().prefix;
    return prefix.empty() ? name : prefix + '/' + name;
}

SwiftRequest SwiftStorage::request(std::string method, const std::string& name) const {
    SwiftRequest request;
    request.method = std::move(method);
    request.key = key_of(name);
    return request;
}

// Asked for by a listing: after the answer to a HEAD of a container, which has none, eventlet (Swift 2.30 of Debian 12)
// sends the end of a body, and what comes next on that connection is not understood.
Status SwiftStorage::make_container() {
    SwiftRequest look;
    look.query = {{"format", "json"}, {"limit", "1"}};
    const auto found = client_->call(look);
    if (found.ok()) return {};
    if (found.error().code() != ErrorCode::not_found) return found.error();
    SwiftRequest make;
    make.method = "PUT";
    HF_TRY_STATUS(client_->call(make));
    return {};
}

// A service may take a condition and not keep it: the Swift protocol of Ceph's gateway replaces what is there. Tried with
// an object beside the repository, not in it.
Status SwiftStorage::check_conditions() {
    const std::string& prefix = client_->location().prefix;
    SwiftRequest put;
    put.method = "PUT";
    put.key = (prefix.empty() ? "" : prefix + '.') + "holdfast-probe-" + to_hex(system_random().array<8>());
    put.headers = {{"if-none-match", "*"}};
    const auto first = client_->call(put);
    // When the answer to an earlier try was lost, this one is refused already.
    if (!first.ok() && first.error().code() != ErrorCode::already_exists) return first.error();
    const auto again = client_->call(put);
    SwiftRequest remove;
    remove.method = "DELETE";
    remove.key = put.key;
    const auto removed = client_->call(remove);
    if (!removed.ok() && removed.error().code() != ErrorCode::not_found) return removed.error();
    if (!again.ok() && again.error().code() == ErrorCode::already_exists) return {};
    if (!again.ok()) return again.error();
    return Error(ErrorCode::unsupported,
                 description() + ": the service replaces objects that it is asked to keep (If-None-Match); if it speaks "
                                 "S3 too, use that");
}

// With the digest the service refuses what was changed on the way.
SwiftRequest SwiftStorage::put_request(const std::string& name, ByteSpan data) const {
    SwiftRequest put = request("PUT", name);
    put.body = data;
    put.headers = {{"etag", to_hex(md5(data))}, {"content-type", "application/octet-stream"}};
    return put;
}

// The mark of the put that what is stored came from; nothing when there is no such object.
Result<std::optional<std::string>> SwiftStorage::mark_of(const std::string& name) {
    SwiftRequest look = request("HEAD", name);
    // Of all copies, not of the first that answers.
    look.headers.push_back({"x-newest", "true"});
    const auto stored = client_->call(look);
    if (stored.ok()) return std::optional(stored->header(mark_header).value_or(""));
    if (stored.error().code() == ErrorCode::not_found) return std::optional<std::string>();
    return stored.error();
}

Status SwiftStorage::put(const std::string& name, ByteSpan data, Durability) {
    const NameTurns::Turn turn(turns_, name);
    const std::string mark = to_hex(system_random().array<16>());
    SwiftRequest put = put_request(name, data);
    put.headers.push_back({"if-none-match", "*"});
    put.headers.push_back({mark_header, mark});
    const auto response = client_->call(put);
    if (!response.ok() && response.error().code() != ErrorCode::already_exists) return response.error();
    HF_TRY(const auto stored, mark_of(name));
    // An earlier try of this put, whose answer was lost, has left the mark too.
    const bool is_ours = stored ? *stored == mark : response.ok();
    return is_ours ? Status() : Error(ErrorCode::already_exists, name + ": exists");
}

Status SwiftStorage::replace(const std::string& name, ByteSpan data) {
    HF_TRY_STATUS(head(name));
    HF_TRY_STATUS(client_->call(put_request(name, data)));
    return {};
}

Result<std::unique_ptr<ObjectWriter>> SwiftStorage::begin(const std::string& name) {
    return std::unique_ptr<ObjectWriter>(std::make_unique<SpooledWriter>(
        [this, name](ByteSpan whole) { return put(name, whole, Durability::immediate); }));
}

Result<std::unique_ptr<ObjectWriter>> SwiftStorage::begin_again(const std::string& name) {
    return std::unique_ptr<ObjectWriter>(
        std::make_unique<SpooledWriter>([this, name](ByteSpan whole) { return replace(name, whole); }));
}

Status SwiftStorage::adopt(const std::string& name) {
    HF_TRY_STATUS(head(name));
    return {};
}

Result<std::size_t> SwiftStorage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    if (out.empty() || offset > std::numeric_limits<std::uint64_t>::max() - out.size()) return std::size_t{0};
    SwiftRequest get = request("GET", name);
    get.headers.push_back({"range", "bytes=" + std::to_string(offset) + '-' + std::to_string(offset + out.size() - 1)});
    get.into = out;
    const auto response = client_->call(get);
    // A range that begins behind the end.
    if (!response.ok() && response.error().code() == ErrorCode::corrupt) return std::size_t{0};
    if (!response.ok()) return response.error();
    // An empty object has no ranges.
    if (response->status != 206 && response->into_bytes != 0)
        return Error(ErrorCode::unsupported, name + ": the service reads no ranges");
    return static_cast<std::size_t>(response->into_bytes);
}

Result<Bytes> SwiftStorage::get(const std::string& name, std::uint64_t limit_bytes) {
    SwiftRequest get = request("GET", name);
    get.limit_bytes = limit_bytes;
    auto response = client_->call(get);
    if (!response.ok() && response.error().code() == ErrorCode::corrupt)
        return Error(ErrorCode::corrupt, name + ": larger than such an object can be");
    if (!response.ok()) return std::move(response).error();
    return std::move(response->body);
}

Result<ObjectInfo> SwiftStorage::head(const std::string& name) {
    HF_TRY(const HttpResponse response, client_->call(request("HEAD", name)));
    HF_TRY(const std::uint64_t bytes, size_in(response, name));
    return ObjectInfo{name, bytes};
}

Status SwiftStorage::list(const std::string& prefix, const std::function<bool(const ObjectInfo&)>& visit) {
    const std::string whole = key_of(prefix);
    const std::size_t before = whole.size() - prefix.size();
    for (std::string marker;;) {
        SwiftRequest page;
        page.query = {{"format", "json"}, {"prefix", whole}, {"limit", std::to_string(page_entries)}};
        if (!marker.empty()) page.query.emplace_back("marker", marker);
        page.limit_bytes = max_listing_bytes;
        HF_TRY(const HttpResponse response, client_->call(page));
        // "No content": what some services say for an empty page.
        if (response.status == 204) return {};
        auto objects = parse_swift_listing(as_text(response.body), whole, marker);
        if (!objects.ok()) return std::move(objects).error().with_context("listing " + description());
        // A page may be shorter than it was asked for and not be the last one.
        if (objects->empty()) return {};
        marker = objects->back().name;
        for (ObjectInfo& info : *objects) {
            info.name.erase(0, before);
            if (!visit(info)) return {};
        }
    }
}

Status SwiftStorage::remove(const std::string& name) {
    const auto response = client_->call(request("DELETE", name));
    if (response.ok() || response.error().code() == ErrorCode::not_found) return {};
    return response.error();
}

}  // namespace holdfast
