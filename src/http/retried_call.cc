#include "http/retried_call.h"

namespace holdfast {

ErrorCode error_code_of_status(int status) {
    switch (status) {
        case 401:
        case 403: return ErrorCode::permission_denied;
        case 404: return ErrorCode::not_found;
        case 412: return ErrorCode::already_exists;
        case 416: return ErrorCode::corrupt;
        case 408:
        case 425:
        case 429: return ErrorCode::unavailable;
        case 409: return ErrorCode::conflict;
        case 501:
        case 405: return ErrorCode::unsupported;
        case 507: return ErrorCode::out_of_space;
        default: return status >= 500 ? ErrorCode::unavailable : ErrorCode::invalid_argument;
    }
}

RetriedCall::RetriedCall(Send send, Judge judge, RetryOptions options, const Clock& clock, Random& random)
    : send_(std::move(send)),
      judge_(std::move(judge)),
      options_(std::move(options)),
      clock_(clock),
      random_(random),
      call_(send_()) {}

Result<HttpResponse> RetriedCall::wait() {
    Backoff backoff(options_.backoff, clock_, random_);
    for (unsigned corrections = 0;;) {
        // What stops it before it is sent may pass too: a metadata service that does not answer.
        auto outcome = call_.ok() ? (*call_)->wait() : Result<HttpResponse>(call_.error());
        if (outcome.ok()) tries_ += outcome->sends - 1;
        HttpVerdict verdict = judge_(std::move(outcome));
        if (verdict.again == TryAgain::at_once && ++corrections > options_.max_corrections)
            verdict.again = TryAgain::never;
        if (verdict.again == TryAgain::never) return std::move(verdict.result);
        if (verdict.again == TryAgain::later && !backoff.wait(options_.stop)) {
            if (options_.stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
            return std::move(verdict.result);
        }
        ++tries_;
        call_ = send_();
    }
}

}  // namespace holdfast
