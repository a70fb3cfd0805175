#include <gtest/gtest.h>

#include "http/http_date.h"
#include "http/url.h"

namespace holdfast {
namespace {

TEST(UrlTest, IsTakenApart) {
    const Url url = parse_url("https://host.example:8443/bucket/a%20b?x=1&y&z=%26#fragment").value();
    EXPECT_EQ(url.scheme, "https");
    EXPECT_EQ(url.authority, "host.example:8443");
    EXPECT_EQ(url.path, "/bucket/a b");
    EXPECT_EQ(url.query, (QueryParameters{{"x", "1"}, {"y", ""}, {"z", "&"}}));
    EXPECT_EQ(parse_url("http://[::1]:80").value().authority, "[::1]:80");
    EXPECT_EQ(parse_url("http://host?x=1").value().authority, "host");
}

TEST(UrlTest, WhatIsNoneIsRefused) {
    for (const char* const text : {"", "host/path", "ftp://host/", "http://", "https:///path", "http://user:pw@host/",
                                   "http://ho st/", "http://host/%2", "http://host/%zz", "http://host/?a=%"}) {
        const auto url = parse_url(text);
        ASSERT_FALSE(url.ok()) << text;
        EXPECT_EQ(url.error().code(), ErrorCode::invalid_argument);
    }
    // A secret must not come back in a message.
    EXPECT_EQ(parse_url("http://user:geheim@host/").error().describe().find("geheim"), std::string::npos);
}

TEST(UrlTest, EncodesAsSignaturesWantIt) {
    EXPECT_EQ(percent_encode("a/b c~-_.%+\xc3\xa9", Slash::keep), "a/b%20c~-_.%25%2B%C3%A9");
    EXPECT_EQ(percent_encode("a/b", Slash::encode), "a%2Fb");
    EXPECT_EQ(encode_query({{"prefix", "a/b"}, {"list-type", "2"}, {"uploads", ""}}),
              "list-type=2&prefix=a%2Fb&uploads=");
}

TEST(HttpDateTest, IsRead) {
    EXPECT_EQ(parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), parse_rfc3339("2013-05-24").value());
    for (const char* const text : {"", "yesterday", "Fri, 24 May 1950 00:00:00 GMT", "Fri, 24 May 9999 00:00:00 GMT"})
        EXPECT_FALSE(parse_http_date(text).has_value()) << text;
}

}  // namespace
}  // namespace holdfast
