// Signs requests as S3 services want it: AWS Signature Version 4, in a header.
// Source: "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3 API Reference.
#pragma once

#include <string>

#include "base/clock.h"
#include "http/http_client.h"
#include "http/url.h"
#include "s3/credentials.h"

namespace holdfast {

struct UnsignedRequest {
    std::string method;
    std::string host;  // as the Host header will have it
    std::string path;  // encoded
    QueryParameters query;
    std::vector<HttpHeader> headers;  // names in small letters; all are signed
    std::string payload_sha256;       // hexadecimal
};

// The headers to send: those of the request, x-amz-date, x-amz-content-sha256, the session token, and Authorization.
std::vector<HttpHeader> sign(const UnsignedRequest& request,
                             const S3Credentials& credentials,
                             const std::string& region,
                             TimeNs now);

}  // namespace holdfast
