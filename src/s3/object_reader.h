// The content of an object, in ranges.
#pragma once

#include <atomic>
#include <map>
#include <optional>

#include "s3/s3_client.h"

namespace holdfast {

// What is to be read, as a listing has it.
struct ObjectToRead {
    std::string key;
    std::string version;  // empty: the current one, whichever that is
    std::string etag;     // without quotation marks; empty: that of the first answer
    std::uint64_t bytes = 0;
};

// Content comes in ranges of 4 MiB, of which the next ones (three, if nothing else is said) are on their way while one is
// read: 16 MiB. The first request begins when it is made, and its answer has the headers too, so that a small object is
// one request. Each answer must have the same ETag: an object that is replaced meanwhile is `conflict`, and never mixed. A
// condition saves the bytes of another one; `sends_conditions`, which readers share, becomes false where a service denies
// a condition that holds (some gateways compare the quotation marks too). For one thread.
class ObjectReader {
  public:
    static constexpr std::uint64_t range_bytes = 4u << 20;

    ObjectReader(S3Client& client, ObjectToRead object, std::atomic<bool>& sends_conditions, unsigned ranges_ahead = 3);

    // Waits for it.
    Result<const HttpResponse*> first_answer();
    // From any place; it is meant to go on. Less than `out` holds only at the end.
    Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out);

  private:
    // A range, on its way or there.
    struct Range {
        Bytes data;
        std::unique_ptr<S3Call> call;  // null when it is there
    };

    std::unique_ptr<S3Call> ask(const char* method, MutableByteSpan into, std::uint64_t offset) const;
    void start_range(std::uint64_t number);
    Result<const Range*> range(std::uint64_t number);
    bool is_still_there() const;
    Result<HttpResponse> answer_to(Range& range, std::uint64_t number) const;
    Result<HttpResponse> check(Result<HttpResponse> response) const;
    void take_first(const HttpResponse& answer);

    S3Client& client_;
    ObjectToRead object_;
    std::atomic<bool>& sends_conditions_;
    const unsigned ranges_ahead_;
    std::unique_ptr<S3Call> empty_call_;  // of an empty object, which has no range
    std::optional<HttpResponse> first_;   // headers
    std::map<std::uint64_t, Range> ranges_;  // by number; a range does not move while its call is on its way
};

}  // namespace holdfast
