#include "s3/object_reader.h"

#include <algorithm>
#include <cstring>

#include "s3/listing.h"

namespace holdfast {

ObjectReader::ObjectReader(S3Client& client,
                           ObjectToRead object,
                           std::atomic<bool>& sends_conditions,
                           unsigned ranges_ahead)
    : client_(client), object_(std::move(object)), sends_conditions_(sends_conditions), ranges_ahead_(ranges_ahead) {
    if (object_.bytes == 0) empty_call_ = ask("GET", {}, 0);  // a HEAD does not always tell of tags
    else start_range(0);
}

std::unique_ptr<S3Call> ObjectReader::ask(const char* method, MutableByteSpan into, std::uint64_t offset) const {
    S3Request request;
    request.method = method;
    request.key = object_.key;
    if (!object_.version.empty()) request.query.emplace_back("versionId", object_.version);
    if (!into.empty())
        request.headers.push_back(
            {"range", "bytes=" + std::to_string(offset) + '-' + std::to_string(offset + into.size() - 1)});
    if (!into.empty() && !object_.etag.empty() && sends_conditions_)
        request.headers.push_back({"if-match", '"' + object_.etag + '"'});
    request.into = into;
    return client_.start(std::move(request));
}

void ObjectReader::start_range(std::uint64_t number) {
    const std::uint64_t offset = number * range_bytes;
    if (offset >= object_.bytes || ranges_.contains(number)) return;
    Range& range = ranges_[number];
    range.data.resize(static_cast<std::size_t>(std::min(range_bytes, object_.bytes - offset)));
    range.call = ask("GET", range.data, offset);
}

// Another ETag is another object, and so is one that is shorter than a range begins.
Result<HttpResponse> ObjectReader::check(Result<HttpResponse> response) const {
    const auto replaced = [this] {
        return Error(ErrorCode::conflict, object_.key + ": it was replaced while it was read");
    };
    if (!response.ok()) {
        const ErrorCode code = response.error().code();
        if (code == ErrorCode::corrupt || code == ErrorCode::already_exists) return replaced();
        return response;
    }
    if (!object_.etag.empty() && plain_etag(response->header("etag").value_or("")) != object_.etag) return replaced();
    return response;
}

bool ObjectReader::is_still_there() const {
    return check(ask("HEAD", {}, 0)->wait()).ok();
}

Result<HttpResponse> ObjectReader::answer_to(Range& range, std::uint64_t number) const {
    auto response = range.call->wait();
    if (response.ok() || response.error().code() != ErrorCode::already_exists || !is_still_there())
        return check(std::move(response));
    sends_conditions_ = false;
    range.call = ask("GET", range.data, number * range_bytes);
    return check(range.call->wait());
}

Result<const ObjectReader::Range*> ObjectReader::range(std::uint64_t number) {
    const auto found = ranges_.find(number);
    HF_CHECK(found != ranges_.end());
    Range& range = found->second;
    if (!range.call) return &range;
    const auto answered = answer_to(range, number);
    range.call.reset();
    if (!answered.ok()) {
        ranges_.erase(found);
        return answered.error();
    }
    const bool is_whole = range.data.size() == object_.bytes && answered->status == 200;
    if (answered->status != 206 && !is_whole)
        return Error(ErrorCode::unsupported, object_.key + ": the service reads no ranges");
    if (answered->into_bytes != range.data.size())
        return Error(ErrorCode::conflict, object_.key + ": it became shorter while it was read");
    if (!first_) take_first(*answered);
    return &range;
}

// Where the listing tells no ETag, it is the one that the others must have.
void ObjectReader::take_first(const HttpResponse& answer) {
    first_ = answer;
    if (object_.etag.empty()) object_.etag = plain_etag(answer.header("etag").value_or(""));
}

Result<const HttpResponse*> ObjectReader::first_answer() {
    if (first_) return &*first_;
    if (object_.bytes != 0) {
        start_range(0);
        HF_TRY_STATUS(range(0));
        return &*first_;
    }
    if (!empty_call_) empty_call_ = ask("GET", {}, 0);
    const auto answered = check(empty_call_->wait());
    empty_call_.reset();
    if (!answered.ok()) return answered.error();
    take_first(*answered);
    return &*first_;
}

Result<std::size_t> ObjectReader::read(std::uint64_t offset, MutableByteSpan out) {
    std::size_t done = 0;
    while (done < out.size() && offset < object_.bytes) {
        const std::uint64_t number = offset / range_bytes;
        // Objects are read from the start on: what lies behind is not needed, what lies ahead soon is.
        std::erase_if(ranges_, [this, number](const auto& one) {
            return one.first < number || one.first > number + ranges_ahead_;
        });
        for (std::uint64_t ahead = 0; ahead <= ranges_ahead_; ++ahead) start_range(number + ahead);
        HF_TRY(const Range* const there, range(number));
        const std::size_t from = static_cast<std::size_t>(offset - number * range_bytes);
        const std::size_t part = std::min(out.size() - done, there->data.size() - from);
        std::memcpy(out.data() + done, there->data.data() + from, part);
        done += part;
        offset += part;
    }
    return done;
}

}  // namespace holdfast
