// A request that is sent again as long as that may help, and what the status of an answer means.
#pragma once

#include <functional>
#include <memory>

#include "base/backoff.h"
#include "http/http_client.h"

namespace holdfast {

// What a status that is no success says, where a service has no code of its own for it.
ErrorCode error_code_of_status(int status);

enum class TryAgain : std::uint8_t {
    never,
    at_once,  // the answer has told what was wrong
    later,    // after a delay
};

struct HttpVerdict {
    Result<HttpResponse> result;
    TryAgain again = TryAgain::never;
};

struct RetryOptions {
    BackoffPolicy backoff;
    // How often a request is sent once more because its answer has told what was wrong with it.
    unsigned max_corrections = 3;
    std::stop_token stop;  // ends the delays: cancelled
};

// Begun when it is made; what fails is tried again while the caller waits. For one thread.
class RetriedCall {
  public:
    // Starts the request; an error of `unavailable` is judged as one of the transport.
    using Send = std::function<Result<std::unique_ptr<HttpCall>>()>;
    // Turns what has come of it into what the caller gets.
    using Judge = std::function<HttpVerdict(Result<HttpResponse> outcome)>;

    RetriedCall(Send send, Judge judge, RetryOptions options, const Clock& clock, Random& random);
    // Once.
    Result<HttpResponse> wait();
    // How often it was sent: an earlier one may have been carried out without an answer.
    unsigned tries() const { return tries_; }

  private:
    const Send send_;
    const Judge judge_;
    const RetryOptions options_;
    const Clock& clock_;
    Random& random_;
    unsigned tries_ = 1;
    Result<std::unique_ptr<HttpCall>> call_;
};

}  // namespace holdfast
