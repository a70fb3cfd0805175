#include <gtest/gtest.h>

#include <map>

#include "http/http_client.h"
#include "http/http_date.h"
#include "http/url.h"
#include "support/fake_http_server.h"

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

TEST(UrlTest, SecretsStayOutOfMessages) {
    EXPECT_EQ(without_password("https://host/bucket"), "https://host/bucket");
    EXPECT_EQ(without_password("https://u:geheim@host/x?secret=geheim"), "https://...@host/x?...");
    EXPECT_EQ(without_password("u:geheim@c"), "...@c");
    EXPECT_EQ(without_password("https://u:ge@heim@h"), "https://...@h");
}

// Its answers name who was asked: as a proxy it is told a whole URL.
class ProxyTest : public testing::Test {
  protected:
    std::string asked_for(const std::string& url, std::map<std::string, std::string> variables) {
        HttpOptions options;
        options.environment = [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        };
        const auto client = HttpClient::open(std::move(options)).value();
        HttpRequest request;
        request.method = "GET";
        request.url = url;
        request.limit_bytes = 1000;
        const auto response = client->perform(std::move(request));
        return response.ok() ? std::string(as_text(response->body)) : response.error().describe();
    }

    FakeHttpServer server_{[](const FakeRequest& request) { return FakeAnswer{200, "", request.target}; }};
};

TEST_F(ProxyTest, IsThatOfTheGivenEnvironment) {
    EXPECT_EQ(asked_for(server_.url() + "/direct", {}), "/direct");
    EXPECT_EQ(asked_for("http://far.invalid/a", {{"http_proxy", server_.url()}}), "http://far.invalid/a");
    EXPECT_EQ(asked_for("http://far.invalid/a", {{"ALL_PROXY", server_.url()}}), "http://far.invalid/a");
    // A tunnel: this one refuses it by its answer.
    EXPECT_NE(asked_for("https://far.invalid/a", {{"HTTPS_PROXY", server_.url()}}), "");
    EXPECT_EQ(server_.requests().back().method + ' ' + server_.requests().back().target, "CONNECT far.invalid:443");
    EXPECT_EQ(asked_for(server_.url() + "/direct", {{"http_proxy", "http://127.0.0.1:1"}, {"no_proxy", "127.0.0.1"}}), "/direct");
}

TEST_F(ProxyTest, NoHeaderHoldsALineBreak) {
    const auto client = HttpClient::open({}).value();
    for (const char* const value : {"a\r\nX: y", "a\nb", "a\x01"}) {
        HttpRequest request;
        request.method = "GET";
        request.url = server_.url();
        request.headers = {{"If-Match", value}};
        const auto response = client->perform(std::move(request));
        ASSERT_FALSE(response.ok());
        EXPECT_EQ(response.error().code(), ErrorCode::invalid_argument);
    }
    EXPECT_TRUE(server_.requests().empty());
}

TEST(HttpDateTest, IsRead) {
    EXPECT_EQ(parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), parse_rfc3339("2013-05-24").value());
    for (const char* const text : {"", "yesterday", "Fri, 24 May 1950 00:00:00 GMT", "Fri, 24 May 9999 00:00:00 GMT"})
        EXPECT_FALSE(parse_http_date(text).has_value()) << text;
}

}  // namespace
}  // namespace holdfast
