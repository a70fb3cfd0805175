// One namespace of a pool of a Ceph cluster: operations that are tried again when that may help.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/backoff.h"
#include "base/bytes.h"
#include "storage/rados/rados_library.h"
#include "storage/rados/rados_location.h"

namespace holdfast {

struct RadosOptions {
    BackoffPolicy backoff;
    std::stop_token stop;
};

// What librados says of an operation: a count or a negative errno, and how often it was tried. An earlier try may have
// been carried out without an answer.
struct RadosOutcome {
    int result = 0;
    unsigned tries = 1;
};

// Thread-safe. A cluster that does not answer is given up after 30 seconds, and tried again within the backoff.
// Memory: librados copies what is written.
class RadosPool {
  public:
    // Errors: unsupported (no librados2), not_found (no such pool, no configuration), permission_denied, unavailable,
    // cancelled.
    static Result<std::unique_ptr<RadosPool>> open(RadosLocation location,
                                                   RadosOptions options,
                                                   const Clock& clock,
                                                   Random& random);
    ~RadosPool();
    RadosPool(const RadosPool&) = delete;
    RadosPool& operator=(const RadosPool&) = delete;

    const RadosLocation& location() const { return location_; }

    RadosOutcome read(const std::string& name, std::uint64_t offset, MutableByteSpan out);
    // One operation: it happens whole or not at all.
    RadosOutcome create(const std::string& name, ByteSpan data);   // -EEXIST when the name is taken
    RadosOutcome replace(const std::string& name, ByteSpan data);  // -ENOENT when there is nothing
    RadosOutcome remove(const std::string& name);

    // Nothing for an object that is not there.
    Result<std::optional<std::uint64_t>> size_of(const std::string& name);
    // The same for many at once.
    Result<std::vector<std::optional<std::uint64_t>>> sizes_of(std::span<const std::string> names);
    // All that `wanted` holds for, in no order.
    Result<std::vector<std::string>> names(const std::function<bool(std::string_view)>& wanted);

    // What a negative result means.
    Error error_of(int result, const std::string& what) const;

  private:
    // Starts an operation: 0, or a negative errno.
    using Start = std::function<int(rados_completion_t)>;

    RadosPool(RadosLocation location,
              RadosOptions options,
              const RadosLibrary& library,
              const Clock& clock,
              Random& random)
        : location_(std::move(location)), options_(std::move(options)), library_(library), clock_(clock), random_(random) {}
    Status connect_patiently();
    Status connect();
    Status configure();
    void disconnect();
    int perform_once(const Start& start);
    RadosOutcome perform(const Start& start);
    RadosOutcome operate(const std::string& name, rados_write_op_t operation, int flags);
    Result<std::vector<std::string>> names_once(const std::function<bool(std::string_view)>& wanted);

    const RadosLocation location_;
    const RadosOptions options_;
    const RadosLibrary& library_;
    const Clock& clock_;
    Random& random_;
    rados_t cluster_ = nullptr;
    rados_ioctx_t pool_ = nullptr;
};

}  // namespace holdfast
