// HTTP over libcurl: many requests at once on a bounded number of connections, which stay open.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/environment.h"
#include "base/result.h"

namespace holdfast {

struct HttpHeader {
    std::string name;  // as it is sent; in answers in small letters
    std::string value;
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;  // encoded
    std::vector<HttpHeader> headers;
    ByteSpan body;  // read until the request is done
    // Where the body of a success goes; empty: into HttpResponse::body.
    MutableByteSpan into;
    // What HttpResponse::body may hold; an answer that is longer is an error (corrupt).
    std::uint64_t limit_bytes = 1u << 20;
    // What has been sent on a connection that then turns out to be closed is sent again on another one, unless this says
    // that it must not be done twice: then that is `unavailable`.
    bool is_sent_once = false;
};

struct HttpResponse {
    int status = 0;
    std::vector<HttpHeader> headers;
    Bytes body;
    std::uint64_t into_bytes = 0;  // written to HttpRequest::into
    // How often it was sent: once more on another connection when an old one turned out to be closed, be it that the service
    // has carried it out and the answer was lost.
    unsigned sends = 1;

    bool is_success() const { return status >= 200 && status < 300; }
    // The value of the last header of this name (in small letters).
    std::optional<std::string> header(std::string_view name) const;
};

struct HttpOptions {
    // Certificates that are trusted beside, or in place of, those of the system: a file in PEM. Empty: the system's.
    std::string ca_file;
    std::size_t max_connections = 16;
    long connect_seconds = 15;
    // A request that moves no byte for so long has failed.
    long stall_seconds = 30;
    // Ends all requests: cancelled.
    std::stop_token stop;
    // The proxy of http_proxy, https_proxy, all_proxy, with no_proxy, as curl reads them: of this environment, or, when there is
    // none, of the process's.
    bool use_proxy = true;
    Environment environment{};
};

class HttpCall;

// Answers of every status are successes here; errors are of the transport: unavailable (may be tried again),
// permission_denied (a certificate that is not trusted), corrupt, cancelled. Thread-safe.
// Memory: the connections' buffers, 32 KiB each (64 KiB when they send).
class HttpClient {
  public:
    static Result<std::shared_ptr<HttpClient>> open(HttpOptions options);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // Starts, and tells the end by HttpCall::wait(). What the request's spans refer to lives until the call is done
    // or destroyed. A client outlives its calls.
    std::unique_ptr<HttpCall> start(HttpRequest request);
    Result<HttpResponse> perform(HttpRequest request);

  private:
    friend class HttpCall;
    struct Transfer;
    class Loop;
    explicit HttpClient(HttpOptions options);

    std::unique_ptr<Loop> loop_;
};

// One request on its way. Destroyed before its end, it is given up. For one thread.
class HttpCall {
  public:
    ~HttpCall();
    HttpCall(const HttpCall&) = delete;
    HttpCall& operator=(const HttpCall&) = delete;

    // Once.
    Result<HttpResponse> wait();

  private:
    friend class HttpClient;
    HttpCall(HttpClient::Loop& loop, std::shared_ptr<HttpClient::Transfer> transfer);

    HttpClient::Loop& loop_;
    std::shared_ptr<HttpClient::Transfer> transfer_;
};

}  // namespace holdfast
