#include "http/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <functional>

namespace holdfast {
namespace {

constexpr long send_buffer_bytes = 64 << 10;
constexpr long receive_buffer_bytes = 32 << 10;
constexpr std::uint64_t max_error_bytes = 64 << 10;

struct EasyCloser {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListCloser {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyCloser>;

// What has gone wrong on the way. Whatever is not about this program's own settings may pass.
ErrorCode code_of(CURLcode code) {
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
        code == CURLE_SSL_CERTPROBLEM)
        return ErrorCode::permission_denied;
    if (code == CURLE_URL_MALFORMAT) return ErrorCode::invalid_argument;
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_FAILED_INIT) return ErrorCode::internal;
    return ErrorCode::unavailable;
}

// Once a process, before any thread of ours uses it.
bool initialize() {
    static const bool ok = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return ok;
}

bool is_one_line(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
    });
}

struct Proxy {
    std::string url;        // empty: none
    std::string never_for;  // hosts
};

// As curl reads its process's environment. HTTP_PROXY does not count: who calls a CGI program can set it.
Proxy proxy_for(std::string_view url, const Environment& environment) {
    const auto first_of = [&environment](std::initializer_list<const char*> names) {
        for (const char* const name : names)
            if (auto value = environment(name)) return *value;
        return std::string();
    };
    Proxy proxy;
    proxy.url = url.starts_with("https:") ? first_of({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
                                          : first_of({"http_proxy", "all_proxy", "ALL_PROXY"});
    proxy.never_for = first_of({"no_proxy", "NO_PROXY"});
    return proxy;
}

}  // namespace

std::optional<std::string> HttpResponse::header(std::string_view name) const {
    for (auto it = headers.rbegin(); it != headers.rend(); ++it)
        if (it->name == name) return it->value;
    return std::nullopt;
}

// A request and what has come of it. Used by the loop's thread until it is done, then by the caller's.
struct HttpClient::Transfer {
    HttpRequest request;
    HttpResponse response;
    Easy easy;
    std::unique_ptr<curl_slist, ListCloser> header_list;
    std::size_t sent = 0;
    unsigned tries = 0;  // connections that it was sent on
    bool is_too_long = false;
    char message[CURL_ERROR_SIZE] = {};

    // Guarded by Loop::mutex_.
    bool is_given_up = false;
    std::optional<Status> outcome;

    Status prepare(const HttpOptions& options);
    Status outcome_of(CURLcode code) const;
    std::size_t receive(ByteSpan data);
    void receive_header(std::string_view line);

    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) {
        return static_cast<Transfer*>(self)->receive(as_bytes({data, size * count}));
    }
    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) {
        static_cast<Transfer*>(self)->receive_header({data, size * count});
        return size * count;
    }
    static std::size_t on_send(char* out, std::size_t size, std::size_t count, void* self) {
        auto& transfer = *static_cast<Transfer*>(self);
        const std::size_t part = std::min(size * count, transfer.request.body.size() - transfer.sent);
        std::copy_n(transfer.request.body.begin() + static_cast<std::ptrdiff_t>(transfer.sent), part, out);
        transfer.sent += part;
        return part;
    }
    static int on_begin(void* self, char*, char*, int, int) {
        auto& transfer = *static_cast<Transfer*>(self);
        return ++transfer.tries > 1 && transfer.request.is_sent_once ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
    }
    // libcurl sends again on another connection when an old one turns out to be closed.
    static int on_seek(void* self, curl_off_t offset, int origin) {
        auto& transfer = *static_cast<Transfer*>(self);
        if (origin != SEEK_SET || offset < 0 ||
            static_cast<std::uint64_t>(offset) > transfer.request.body.size())
            return CURL_SEEKFUNC_FAIL;
        transfer.sent = static_cast<std::size_t>(offset);
        return CURL_SEEKFUNC_OK;
    }
};

std::size_t HttpClient::Transfer::receive(ByteSpan data) {
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    const bool is_success = status >= 200 && status < 300;
    if (is_success && !request.into.empty()) {
        const auto rest = request.into.subspan(static_cast<std::size_t>(response.into_bytes));
        if (data.size() > rest.size()) {
            is_too_long = true;
            return 0;
        }
        std::copy(data.begin(), data.end(), rest.begin());
        response.into_bytes += data.size();
        return data.size();
    }
    // The limit is of what was asked for; an error says what it has to say.
    const std::uint64_t limit = is_success ? request.limit_bytes : max_error_bytes;
    if (data.size() > limit - std::min<std::uint64_t>(limit, response.body.size())) {
        is_too_long = true;
        return 0;
    }
    response.body.insert(response.body.end(), data.begin(), data.end());
    return data.size();
}

void HttpClient::Transfer::receive_header(std::string_view line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    // Of several answers (100 Continue first) the last one counts.
    if (line.starts_with("HTTP/")) response.headers.clear();
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    line.remove_prefix(colon + 1);
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t")));
    response.headers.push_back({std::move(name), std::string(line)});
}

Status HttpClient::Transfer::prepare(const HttpOptions& options) {
    CURL* const handle = easy.get();
    const auto add_header = [this](const std::string& line) {
        curl_slist* const longer = curl_slist_append(header_list.get(), line.c_str());
        if (longer == nullptr) return;
        [[maybe_unused]] curl_slist* const old = header_list.release();
        header_list.reset(longer);
    };
    // What libcurl would add by itself is not wanted: a wait for "100 Continue", and a content type.
    add_header("Expect:");
    add_header("Content-Type:");
    for (const HttpHeader& header : request.headers) {
        // It would be another header, or through a proxy another request.
        if (!is_one_line(header.name) || !is_one_line(header.value))
            return Error(ErrorCode::invalid_argument, "a header cannot hold control characters: " + header.name.substr(0, 64));
        add_header(header.value.empty() ? header.name + ';' : header.name + ": " + header.value);
    }
    bool ok = header_list != nullptr;
    const auto set = [&ok, handle](CURLoption option, auto value) {
        ok = curl_easy_setopt(handle, option, value) == CURLE_OK && ok;
    };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_ERRORBUFFER, message);
    set(CURLOPT_HTTPHEADER, header_list.get());
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_CONNECTTIMEOUT, options.connect_seconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, options.stall_seconds);
    set(CURLOPT_BUFFERSIZE, receive_buffer_bytes);
    set(CURLOPT_UPLOAD_BUFFERSIZE, send_buffer_bytes);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_PREREQFUNCTION, &Transfer::on_begin);
    set(CURLOPT_PREREQDATA, this);
    set(CURLOPT_PRIVATE, this);
    if (!options.use_proxy) set(CURLOPT_NOPROXY, "*");
    if (options.use_proxy && options.environment) {
        const Proxy proxy = proxy_for(request.url, options.environment);
        set(CURLOPT_PROXY, proxy.url.c_str());
        set(CURLOPT_NOPROXY, proxy.never_for.c_str());
    }
    if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
    if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
    if (!request.body.empty() || request.method == "PUT" || request.method == "POST") {
        set(CURLOPT_UPLOAD, 1L);
        set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        set(CURLOPT_READFUNCTION, &Transfer::on_send);
        set(CURLOPT_READDATA, this);
        set(CURLOPT_SEEKFUNCTION, &Transfer::on_seek);
        set(CURLOPT_SEEKDATA, this);
    }
    if (request.method != "HEAD") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (!ok) return Error(ErrorCode::internal, "cannot set up an HTTP request");
    return {};
}

Status HttpClient::Transfer::outcome_of(CURLcode code) const {
    if (is_too_long) return Error(ErrorCode::corrupt, "an answer is longer than it can be");
    if (code == CURLE_OK) return {};
    return Error(code_of(code), message[0] != '\0' ? message : curl_easy_strerror(code));
}

// The thread that moves the bytes of all transfers.
class HttpClient::Loop {
  public:
    explicit Loop(HttpOptions options)
        : options_(std::move(options)),
          multi_(curl_multi_init()),
          on_stop_(options_.stop, [this] { wake(); }) {
        if (multi_ != nullptr) thread_ = std::jthread([this] { run(); });
    }
    ~Loop() {
        {
            const std::lock_guard lock(mutex_);
            is_closing_ = true;
        }
        wake();
        if (thread_.joinable()) thread_.join();
        idle_.clear();
        curl_multi_cleanup(multi_);
    }
    bool ok() const { return multi_ != nullptr; }

    void submit(const std::shared_ptr<Transfer>& transfer) {
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(transfer);
        }
        wake();
    }

    Status wait(Transfer& transfer) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&transfer] { return transfer.outcome.has_value(); });
        return *transfer.outcome;
    }

    // Until nothing of it is used any more.
    void give_up(Transfer& transfer) {
        std::unique_lock lock(mutex_);
        if (transfer.outcome) return;
        transfer.is_given_up = true;
        has_given_up_ = true;
        wake();
        changed_.wait(lock, [&transfer] { return transfer.outcome.has_value(); });
    }

  private:
    void wake() {
        if (multi_ != nullptr) curl_multi_wakeup(multi_);
    }

    void finish(Transfer& transfer, Status outcome) {
        if (transfer.easy) {
            long status = 0;
            curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
            transfer.response.status = static_cast<int>(status);
            curl_easy_reset(transfer.easy.get());
            idle_.push_back(std::move(transfer.easy));
        }
        const std::lock_guard lock(mutex_);
        transfer.outcome = std::move(outcome);
        changed_.notify_all();
    }

    void begin(const std::shared_ptr<Transfer>& transfer) {
        if (idle_.empty()) {
            transfer->easy.reset(curl_easy_init());
        } else {
            transfer->easy = std::move(idle_.back());
            idle_.pop_back();
        }
        if (!transfer->easy)
            return finish(*transfer, Error(ErrorCode::internal, "cannot set up an HTTP request"));
        Status prepared = transfer->prepare(options_);
        if (prepared.ok() && curl_multi_add_handle(multi_, transfer->easy.get()) != CURLM_OK)
            prepared = Error(ErrorCode::internal, "cannot start an HTTP request");
        if (!prepared.ok()) return finish(*transfer, std::move(prepared));
        active_.push_back(transfer);
    }

    void end(std::size_t index, Status outcome) {
        const std::shared_ptr<Transfer> transfer = active_[index];
        active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(index));
        curl_multi_remove_handle(multi_, transfer->easy.get());
        finish(*transfer, std::move(outcome));
    }

    // Starts what may start. False when nothing is to be done any more.
    bool take_new() {
        for (;;) {
            std::shared_ptr<Transfer> next;
            {
                const std::lock_guard lock(mutex_);
                if (waiting_.empty()) return !is_closing_ || !active_.empty();
                if (active_.size() >= options_.max_connections) return true;
                next = std::move(waiting_.front());
                waiting_.pop_front();
            }
            begin(next);
        }
    }

    void end_given_up() {
        const bool is_stopped = options_.stop.stop_requested();
        std::vector<std::shared_ptr<Transfer>> gone;
        {
            const std::lock_guard lock(mutex_);
            if (!has_given_up_ && !is_stopped) return;
            has_given_up_ = false;
            const auto is_gone = [is_stopped](const auto& transfer) {
                return is_stopped || transfer->is_given_up;
            };
            std::copy_if(active_.begin(), active_.end(), std::back_inserter(gone), is_gone);
            for (auto it = waiting_.begin(); it != waiting_.end();) {
                if (is_gone(*it)) {
                    gone.push_back(*it);
                    it = waiting_.erase(it);
                } else {
                    ++it;
                }
            }
        }
        for (const auto& transfer : gone) {
            const auto found = std::find(active_.begin(), active_.end(), transfer);
            const Error cancelled(ErrorCode::cancelled, "interrupted");
            if (found == active_.end())
                finish(*transfer, cancelled);
            else
                end(static_cast<std::size_t>(found - active_.begin()), cancelled);
        }
    }

    void end_finished() {
        int left = 0;
        while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            const CURL* const easy = message->easy_handle;
            const CURLcode code = message->data.result;
            for (std::size_t i = 0; i < active_.size(); ++i) {
                if (active_[i]->easy.get() != easy) continue;
                end(i, active_[i]->outcome_of(code));
                break;
            }
        }
    }

    void run() {
        while (take_new()) {
            end_given_up();
            int running = 0;
            curl_multi_perform(multi_, &running);
            end_finished();
            {
                const std::lock_guard lock(mutex_);
                if (is_closing_ && active_.empty() && waiting_.empty()) return;
                if (!waiting_.empty() && active_.size() < options_.max_connections) continue;
            }
            curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
        }
    }

    const HttpOptions options_;
    CURLM* const multi_;
    // Of the loop's thread.
    std::vector<std::shared_ptr<Transfer>> active_;
    std::vector<Easy> idle_;  // at most max_connections

    std::mutex mutex_;  // guards what follows, and the marked members of transfers
    std::condition_variable changed_;
    std::deque<std::shared_ptr<Transfer>> waiting_;
    bool has_given_up_ = false;
    bool is_closing_ = false;

    std::stop_callback<std::function<void()>> on_stop_;
    std::jthread thread_;
};

HttpClient::HttpClient(HttpOptions options) : loop_(std::make_unique<Loop>(std::move(options))) {}
HttpClient::~HttpClient() = default;

Result<std::shared_ptr<HttpClient>> HttpClient::open(HttpOptions options) {
    if (!initialize()) return Error(ErrorCode::internal, "libcurl does not start");
    std::shared_ptr<HttpClient> client(new HttpClient(std::move(options)));
    if (!client->loop_->ok()) return Error(ErrorCode::internal, "libcurl does not start");
    return client;
}

std::unique_ptr<HttpCall> HttpClient::start(HttpRequest request) {
    auto transfer = std::make_shared<Transfer>();
    transfer->request = std::move(request);
    loop_->submit(transfer);
    return std::unique_ptr<HttpCall>(new HttpCall(*loop_, std::move(transfer)));
}

Result<HttpResponse> HttpClient::perform(HttpRequest request) {
    return start(std::move(request))->wait();
}

HttpCall::HttpCall(HttpClient::Loop& loop, std::shared_ptr<HttpClient::Transfer> transfer)
    : loop_(loop), transfer_(std::move(transfer)) {}

HttpCall::~HttpCall() {
    loop_.give_up(*transfer_);
}

Result<HttpResponse> HttpCall::wait() {
    HF_TRY_STATUS(loop_.wait(*transfer_));
    transfer_->response.sends = std::max(1u, transfer_->tries);
    return std::move(transfer_->response);
}

}  // namespace holdfast
