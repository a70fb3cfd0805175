#include "storage/rados/rados_pool.h"

#include <array>
#include <cerrno>

namespace holdfast {
namespace {

// Whatever is busy or does not answer may answer later.
bool may_pass(int result) {
    constexpr std::array<int, 8> passing{ETIMEDOUT, EAGAIN, EBUSY, ENOTCONN, ESHUTDOWN, ECONNABORTED, ECONNRESET,
                                         EHOSTUNREACH};
    for (const int error : passing)
        if (result == -error) return true;
    return false;
}

}  // namespace

Error RadosPool::error_of(int result, const std::string& what) const {
    if (options_.stop.stop_requested()) return {ErrorCode::cancelled, "interrupted"};
    Error error = Error::from_errno(-result, what);
    if (may_pass(result)) return {ErrorCode::unavailable, error.message()};
    return error;
}

Result<std::unique_ptr<RadosPool>> RadosPool::open(RadosLocation location,
                                                   RadosOptions options,
                                                   const Clock& clock,
                                                   Random& random) {
    HF_TRY(const RadosLibrary* const library, RadosLibrary::load());
    std::unique_ptr<RadosPool> pool(
        new RadosPool(std::move(location), std::move(options), *library, clock, random));
    HF_TRY_STATUS(pool->connect_patiently());
    return pool;
}

RadosPool::~RadosPool() {
    disconnect();
}

void RadosPool::disconnect() {
    if (pool_ != nullptr) library_.ioctx_destroy(std::exchange(pool_, nullptr));
    if (cluster_ != nullptr) library_.shutdown(std::exchange(cluster_, nullptr));
}

Status RadosPool::connect_patiently() {
    Backoff backoff(options_.backoff, clock_, random_);
    for (;;) {
        Status connected = connect();
        if (connected.ok()) return connected;
        disconnect();
        if (connected.error().code() != ErrorCode::unavailable || !backoff.wait(options_.stop)) {
            if (options_.stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
            return connected;
        }
    }
}

Status RadosPool::configure() {
    const std::string& file = location_.configuration_file;
    const int read = library_.conf_read_file(cluster_, file.empty() ? nullptr : file.c_str());
    // That a file is missing does not say that a repository is: no `not_found`.
    if (read == -ENOENT && !file.empty()) return Error(ErrorCode::invalid_argument, file + ": no such configuration");
    if (read < 0 && read != -ENOENT) return error_of(read, file.empty() ? "the configuration of Ceph" : file);
    if (const int parsed = library_.conf_parse_env(cluster_, nullptr); parsed < 0)
        return error_of(parsed, "CEPH_ARGS");
    // Without a file CEPH_ARGS may say all that is needed.
    std::array<char, 4096> monitors{};
    if (read == -ENOENT && library_.conf_get(cluster_, "mon_host", monitors.data(), monitors.size()) == 0 &&
        monitors.front() == '\0')
        return Error(ErrorCode::invalid_argument,
                     "no configuration of Ceph: name it by rados:POOL/NAMESPACE?conf=FILE or CEPH_CONF");
    // By default a client waits for ever; who has set a time himself keeps it.
    for (const char* const timeout : {"rados_mon_op_timeout", "rados_osd_op_timeout"}) {
        std::array<char, 32> now{};
        const int got = library_.conf_get(cluster_, timeout, now.data(), now.size());
        if (got == 0 && std::string_view(now.data()).find_first_not_of("0.") != std::string_view::npos) continue;
        if (const int set = library_.conf_set(cluster_, timeout, "30"); set < 0) return error_of(set, timeout);
    }
    // Connecting cannot be interrupted, and is tried again: a monitor that lives answers within milliseconds.
    // Errors are told by this program; what is said beside them by librados would stand among its output.
    for (const auto& [option, value] : {std::pair("client_mount_timeout", "10"), std::pair("log_to_stderr", "false"),
                                        std::pair("err_to_stderr", "false")})
        if (const int set = library_.conf_set(cluster_, option, value); set < 0) return error_of(set, option);
    return {};
}

Status RadosPool::connect() {
    if (const int made = library_.create2(&cluster_, "ceph", location_.client.c_str(), 0); made < 0) {
        cluster_ = nullptr;
        return error_of(made, "the client " + location_.client);
    }
    HF_TRY_STATUS(configure());
    const std::string connecting = "connecting to the Ceph cluster as " + location_.client;
    const int connected = library_.connect(cluster_);
    if (connected == -ENOENT)
        return Error(ErrorCode::permission_denied, connecting + ": there is no key of this client");
    if (connected < 0) return error_of(connected, connecting);
    const int opened = library_.ioctx_create(cluster_, location_.pool.c_str(), &pool_);
    if (opened < 0) pool_ = nullptr;
    if (opened == -ENOENT)
        return Error(ErrorCode::not_found, "there is no pool '" + location_.pool +
                                               "': pools are made by who administers the cluster (ceph osd pool create)");
    if (opened < 0) return error_of(opened, "the pool '" + location_.pool + '\'');
    library_.ioctx_set_namespace(pool_, location_.name_space.c_str());
    return {};
}

int RadosPool::perform_once(const Start& start) {
    if (options_.stop.stop_requested()) return -ECANCELED;
    rados_completion_t completion = nullptr;
    if (const int made = library_.aio_create_completion2(nullptr, nullptr, &completion); made < 0) return made;
    int result = start(completion);
    if (result == 0) {
        const std::stop_callback cancel(options_.stop, [this, completion] { library_.aio_cancel(pool_, completion); });
        library_.aio_wait_for_complete(completion);
        result = library_.aio_get_return_value(completion);
    }
    library_.aio_release(completion);
    return result;
}

RadosOutcome RadosPool::perform(const Start& start) {
    Backoff backoff(options_.backoff, clock_, random_);
    for (unsigned tries = 1;; ++tries) {
        const int result = perform_once(start);
        if (!may_pass(result) || !backoff.wait(options_.stop)) return {result, tries};
    }
}

RadosOutcome RadosPool::read(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    return perform([this, &name, offset, out](rados_completion_t completion) {
        return library_.aio_read(pool_, name.c_str(), completion, reinterpret_cast<char*>(out.data()), out.size(),
                                 offset);
    });
}

// Takes the operation over.
RadosOutcome RadosPool::operate(const std::string& name, rados_write_op_t operation, int flags) {
    const RadosOutcome outcome = perform([this, &name, operation, flags](rados_completion_t completion) {
        return library_.aio_write_op_operate(operation, pool_, completion, name.c_str(), nullptr, flags);
    });
    library_.release_write_op(operation);
    return outcome;
}

// On a full cluster a write would wait for room: FULL_TRY lets it fail.
RadosOutcome RadosPool::create(const std::string& name, ByteSpan data) {
    const rados_write_op_t operation = library_.create_write_op();
    library_.write_op_create(operation, LIBRADOS_CREATE_EXCLUSIVE, nullptr);
    library_.write_op_write_full(operation, as_text(data).data(), data.size());
    return operate(name, operation, LIBRADOS_OPERATION_FULL_TRY);
}

RadosOutcome RadosPool::replace(const std::string& name, ByteSpan data) {
    const rados_write_op_t operation = library_.create_write_op();
    library_.write_op_assert_exists(operation);
    library_.write_op_write_full(operation, as_text(data).data(), data.size());
    return operate(name, operation, LIBRADOS_OPERATION_FULL_TRY);
}

// What makes room must not wait for it.
RadosOutcome RadosPool::remove(const std::string& name) {
    const rados_write_op_t operation = library_.create_write_op();
    library_.write_op_remove(operation);
    return operate(name, operation, LIBRADOS_OPERATION_FULL_FORCE);
}

Result<std::optional<std::uint64_t>> RadosPool::size_of(const std::string& name) {
    std::uint64_t bytes = 0;
    time_t modified = 0;
    const int result = perform([this, &name, &bytes, &modified](rados_completion_t completion) {
                           return library_.aio_stat(pool_, name.c_str(), completion, &bytes, &modified);
                       }).result;
    if (result == -ENOENT) return std::optional<std::uint64_t>();
    if (result < 0) return error_of(result, name);
    return std::optional(bytes);
}

Result<std::vector<std::optional<std::uint64_t>>> RadosPool::sizes_of(std::span<const std::string> names) {
    struct Look {
        rados_completion_t completion = nullptr;
        std::uint64_t bytes = 0;
        time_t modified = 0;
    };
    std::vector<Look> looks(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        Look& look = looks[i];
        if (library_.aio_create_completion2(nullptr, nullptr, &look.completion) < 0) continue;
        if (library_.aio_stat(pool_, names[i].c_str(), look.completion, &look.bytes, &look.modified) == 0) continue;
        library_.aio_release(std::exchange(look.completion, nullptr));
    }
    // Each of them writes into `looks`: all have to end, whatever becomes of one.
    {
        const std::stop_callback cancel(options_.stop, [this, &looks] {
            for (const Look& look : looks)
                if (look.completion != nullptr) library_.aio_cancel(pool_, look.completion);
        });
        for (const Look& look : looks)
            if (look.completion != nullptr) library_.aio_wait_for_complete(look.completion);
    }
    std::vector<int> results;
    for (const Look& look : looks) {
        results.push_back(look.completion == nullptr ? -EAGAIN : library_.aio_get_return_value(look.completion));
        if (look.completion != nullptr) library_.aio_release(look.completion);
    }
    std::vector<std::optional<std::uint64_t>> sizes(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (results[i] == 0) {
            sizes[i] = looks[i].bytes;
        } else {
            // Patiently, or to say what is wrong.
            HF_TRY(sizes[i], size_of(names[i]));
        }
    }
    return sizes;
}

Result<std::vector<std::string>> RadosPool::names_once(const std::function<bool(std::string_view)>& wanted) {
    const std::string what = "listing " + location_.description();
    rados_list_ctx_t list = nullptr;
    if (const int opened = library_.nobjects_list_open(pool_, &list); opened < 0) return error_of(opened, what);
    std::vector<std::string> found;
    int result = 0;
    while (!options_.stop.stop_requested()) {
        const char* name = nullptr;
        std::size_t bytes = 0;
        result = library_.nobjects_list_next2(list, &name, nullptr, nullptr, &bytes, nullptr, nullptr);
        if (result < 0) break;
        if (wanted({name, bytes})) found.emplace_back(name, bytes);
    }
    library_.nobjects_list_close(list);
    // The end, and no error, is told so.
    if (result == -ENOENT) return found;
    return error_of(result, what);
}

Result<std::vector<std::string>> RadosPool::names(const std::function<bool(std::string_view)>& wanted) {
    Backoff backoff(options_.backoff, clock_, random_);
    for (;;) {
        auto found = names_once(wanted);
        if (found.ok() || found.error().code() != ErrorCode::unavailable || !backoff.wait(options_.stop)) return found;
    }
}

}  // namespace holdfast
