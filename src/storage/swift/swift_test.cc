#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "storage/swift/swift_listing.h"
#include "storage/swift/swift_storage.h"
#include "support/fake_http_server.h"

namespace holdfast {
namespace {

using Variables = std::map<std::string, std::string>;

Environment environment_of(Variables variables) {
    return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
    };
}

const Variables password_of_a_user{{"OS_USERNAME", "u"},     {"OS_PASSWORD", "p\"w"},      {"OS_USER_DOMAIN_NAME", "d"},
                                   {"OS_PROJECT_NAME", "j"}, {"OS_REGION_NAME", "r2"}};

// The catalog of a cloud with two regions.
std::string keystone_answer(const std::string& storage_url, const std::string& expires = "2099-01-01T00:00:00.000000Z") {
    const auto endpoint = [](const char* interface, const char* region, const std::string& url) {
        return nlohmann::json{{"interface", interface}, {"region", region}, {"region_id", region}, {"url", url}};
    };
    const nlohmann::json endpoints{endpoint("internal", "r2", "http://internal/"), endpoint("public", "r1", "http://r1/"),
                                   endpoint("public", "r2", storage_url)};
    const nlohmann::json other{{"type", "compute"}, {"endpoints", {endpoint("public", "r2", "http://compute/")}}};
    const nlohmann::json store{{"type", "object-store"}, {"name", "swift"}, {"endpoints", endpoints}};
    return nlohmann::json{{"token", {{"expires_at", expires}, {"catalog", {other, store}}}}}.dump();
}

TEST(SwiftLocationTest, IsReadAsUsersWriteIt) {
    for (const char* const text : {"c/a/b", "c:/a/b", "c/a/b/", "c:/a/b//"}) {
        const auto location = parse_swift_location(text);
        ASSERT_TRUE(location.ok()) << text;
        EXPECT_EQ(location->description(), "swift:c/a/b");
    }
    EXPECT_EQ(parse_swift_location("c")->description(), "swift:c");
    EXPECT_EQ(parse_swift_location("c:/")->prefix, "");
    for (const std::string& text : {std::string(), std::string("/a"), std::string(":/a"), std::string("c:a"),
                                    std::string(257, 'c')})
        EXPECT_EQ(parse_swift_location(text).error().code(), ErrorCode::invalid_argument) << text;
}

TEST(KeystoneTest, TheUrlMayHaveItsVersion) {
    for (const char* const text : {"http://h:5000", "http://h:5000/", "http://h:5000/v3", "http://h:5000/v3/"})
        EXPECT_EQ(keystone_tokens_url(text).value(), "http://h:5000/v3/auth/tokens");
    EXPECT_EQ(keystone_tokens_url("https://h/identity").value(), "https://h/identity/v3/auth/tokens");
    EXPECT_EQ(keystone_tokens_url("http://h/v2.0").error().code(), ErrorCode::unsupported);
    EXPECT_EQ(keystone_tokens_url("h").error().code(), ErrorCode::invalid_argument);
}

TEST(KeystoneTest, WhatIsAskedIsWhatTheServiceDocuments) {
    const auto asked = [](const Variables& variables) {
        return nlohmann::json::parse(keystone_request(environment_of(variables)).value());
    };
    EXPECT_EQ(asked(password_of_a_user), nlohmann::json::parse(R"({"auth":{
        "identity":{"methods":["password"],"password":{"user":{"name":"u","domain":{"name":"d"},"password":"p\"w"}}},
        "scope":{"project":{"name":"j","domain":{"name":"Default"}}}}})"));
    EXPECT_EQ(asked({{"OS_USER_ID", "u"}, {"OS_PASSWORD", "p"}, {"OS_PROJECT_ID", "j"}}), nlohmann::json::parse(R"({"auth":{
        "identity":{"methods":["password"],"password":{"user":{"id":"u","password":"p"}}},
        "scope":{"project":{"id":"j"}}}})"));
    EXPECT_EQ(asked({{"OS_APPLICATION_CREDENTIAL_ID", "i"}, {"OS_APPLICATION_CREDENTIAL_SECRET", "s"}}),
              nlohmann::json::parse(R"({"auth":{"identity":{"methods":["application_credential"],
        "application_credential":{"id":"i","secret":"s"}}}})"));
    for (const Variables& variables : {Variables{}, Variables{{"OS_USERNAME", "u"}, {"OS_PASSWORD", "p"}},
                                       Variables{{"OS_APPLICATION_CREDENTIAL_ID", "i"}}})
        EXPECT_EQ(keystone_request(environment_of(variables)).error().code(), ErrorCode::permission_denied);
    // What is no UTF-8 ends in a refusal of the service, not of this program.
    Variables odd = password_of_a_user;
    odd["OS_PASSWORD"] = "\xff";
    EXPECT_TRUE(keystone_request(environment_of(odd)).ok());
}

TEST(KeystoneTest, ThePublicObjectStoreOfTheRegionIsFound) {
    const auto answer = parse_keystone_answer(keystone_answer("http://store/v1/a/"), "r2");
    ASSERT_TRUE(answer.ok()) << answer.error().describe();
    EXPECT_EQ(answer->storage_url, "http://store/v1/a");
    EXPECT_EQ(*answer->expires, parse_rfc3339("2099-01-01").value());
    const auto code_of = [](const std::string& text, const std::string& region) {
        return parse_keystone_answer(text, region).error().code();
    };
    EXPECT_EQ(code_of(keystone_answer("http://store/"), ""), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(keystone_answer("http://store/"), "r3"), ErrorCode::not_found);
    EXPECT_EQ(code_of(R"({"token":{"catalog":[{"type":5},3,{"type":"object-store","endpoints":{}}]}})", "r2"),
              ErrorCode::not_found);
    for (const std::string& text : {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"token":3})"),
                                    std::string("<html>"), keystone_answer("ftp://store/"), keystone_answer("")})
        EXPECT_EQ(code_of(text, "r2"), ErrorCode::corrupt) << text;
}

TEST(SwiftListingTest, WhatIsNotInOrderOrNotBelowThePrefixIsRefused) {
    const auto page = parse_swift_listing(R"([{"name":"p/a","bytes":3,"hash":"x"},{"name":"p/b","bytes":0}])", "p/", "");
    ASSERT_TRUE(page.ok()) << page.error().describe();
    EXPECT_EQ(*page, (std::vector<ObjectInfo>{{"p/a", 3}, {"p/b", 0}}));
    EXPECT_TRUE(parse_swift_listing("[]", "p/", "p/a")->empty());
    for (const char* const text :
         {"", "{}", "[", "[3]", R"([{"bytes":3}])", R"([{"name":"p/b"}])", R"([{"name":"p/b","bytes":-1}])",
          R"([{"name":"p/b","bytes":"1"}])", R"([{"name":"q/b","bytes":1}])", R"([{"name":"p/a","bytes":1}])",
          R"([{"name":"p/c","bytes":1},{"name":"p/b","bytes":1}])", R"([{"subdir":"p/b/"}])"})
        EXPECT_EQ(parse_swift_listing(text, "p/", "p/a").error().code(), ErrorCode::corrupt) << text;
}

// A fake: no identity service can be had from Debian's packages without a database of users of its own.
class FakeKeystoneTest : public testing::Test {
  protected:
    FakeAnswer answer(const FakeRequest& request) {
        if (request.target == "/v3/auth/tokens") {
            if (request.body.find("p\\\"w") == std::string::npos) return {401, "", ""};
            ++tokens_;
            return {201, "X-Subject-Token: token-" + std::to_string(tokens_) + "\r\n",
                    keystone_answer(server_.url() + "/v1/account")};
        }
        if (!request.has("x-auth-token: token-" + std::to_string(accepted_))) return {401, "", ""};
        return on_storage_(request);
    }
    Result<std::unique_ptr<Storage>> open(Variables variables, OpenMode mode = OpenMode::existing) {
        variables.emplace("OS_AUTH_URL", server_.url());
        StorageOptions options;
        options.backoff = {.first = 1'000'000, .longest = 1'000'000, .total = ns_per_second};
        return SwiftStorage::open("c/p", mode, options, environment_of(variables));
    }

    FakeHttpServer server_{[this](const FakeRequest& request) { return answer(request); }};
    std::atomic<int> tokens_ = 0;    // that were given
    std::atomic<int> accepted_ = 1;  // the one that is
    std::function<FakeAnswer(const FakeRequest&)> on_storage_ = [](const FakeRequest&) {
        return FakeAnswer{200, "Content-Length: 5\r\n", ""};
    };
};

TEST_F(FakeKeystoneTest, ATokenIsAskedForOnceAndUsed) {
    const auto storage = open(password_of_a_user).value();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(storage->head("data/x y").value().bytes, 5u);
    EXPECT_EQ(tokens_, 1);
    EXPECT_EQ(server_.requests().back().target, "/v1/account/c/p/data/x%20y");
}

TEST_F(FakeKeystoneTest, ATokenThatIsRefusedIsReplacedOnce) {
    const auto storage = open(password_of_a_user).value();
    EXPECT_TRUE(storage->head("x").ok());
    accepted_ = 2;
    EXPECT_TRUE(storage->head("x").ok());
    EXPECT_EQ(tokens_, 2);
    accepted_ = 100;
    EXPECT_EQ(storage->head("x").error().code(), ErrorCode::permission_denied);
    EXPECT_EQ(tokens_, 3);
}

TEST_F(FakeKeystoneTest, AWrongPasswordIsAnErrorWithoutThePassword) {
    Variables wrong = password_of_a_user;
    wrong["OS_PASSWORD"] = "unsaid";
    const auto found = open(wrong).value()->head("x");
    EXPECT_EQ(found.error().code(), ErrorCode::permission_denied);
    EXPECT_EQ(found.error().describe().find("unsaid"), std::string::npos);
}

TEST_F(FakeKeystoneTest, AReadyTokenIsUsedAndNotReplaced) {
    Variables ready{{"OS_STORAGE_URL", server_.url() + "/v1/account/"}, {"OS_AUTH_TOKEN", "token-1"}};
    ready.insert(password_of_a_user.begin(), password_of_a_user.end());
    const auto storage = open(ready).value();
    EXPECT_TRUE(storage->head("x").ok());
    accepted_ = 2;
    EXPECT_EQ(storage->head("x").error().code(), ErrorCode::permission_denied);
    EXPECT_EQ(tokens_, 0);
}

TEST_F(FakeKeystoneTest, WithoutCredentialsTheErrorSaysWhatToDo) {
    const auto storage = SwiftStorage::open("c", OpenMode::existing, {}, environment_of({}));
    const auto found = storage.value()->head("x");
    EXPECT_EQ(found.error().code(), ErrorCode::permission_denied);
    EXPECT_NE(found.error().message().find("OS_AUTH_URL"), std::string::npos);
}

TEST_F(FakeKeystoneTest, AShortPageIsNotTheLastOne) {
    on_storage_ = [](const FakeRequest& request) {
        const bool is_first = request.target.find("marker=") == std::string::npos;
        const bool is_second = request.target.find("marker=p%2Fa&") != std::string::npos;
        return FakeAnswer{200, "",
                          is_first    ? R"([{"name":"p/a","bytes":1}])"
                          : is_second ? R"([{"name":"p/b","bytes":2}])"
                                      : "[]"};
    };
    EXPECT_EQ(list_objects(*open(password_of_a_user).value(), "").value(),
              (std::vector<ObjectInfo>{{"a", 1}, {"b", 2}}));
}

TEST_F(FakeKeystoneTest, AServiceThatReplacesObjectsIsNotTaken) {
    int puts = 0, refuses_from = 1;
    std::vector<std::string> removed;
    on_storage_ = [&](const FakeRequest& request) {
        if (request.method == "GET") return FakeAnswer{200, "", "[]"};
        if (request.method == "DELETE") removed.push_back(request.target);
        return FakeAnswer{request.method == "PUT" && ++puts > refuses_from ? 412 : 201, "", ""};
    };
    EXPECT_TRUE(open(password_of_a_user, OpenMode::create).ok());
    ASSERT_EQ(removed.size(), 1u);
    EXPECT_TRUE(removed.front().starts_with("/v1/account/c/p.holdfast-probe-")) << removed.front();
    refuses_from = 100;
    accepted_ = 2;  // of the second storage
    EXPECT_EQ(open(password_of_a_user, OpenMode::create).error().code(), ErrorCode::unsupported);
    EXPECT_EQ(removed.size(), 2u);
}

// 202: something newer has the name. 422: the body is not what its digest says. Both are sent again.
TEST_F(FakeKeystoneTest, WhatWasNotStoredIsSentAgain) {
    std::vector<int> statuses{202, 422, 503, 201};
    std::string mark;
    on_storage_ = [&](const FakeRequest& request) {
        if (request.method != "PUT") return FakeAnswer{200, mark + "\r\n", ""};
        EXPECT_TRUE(request.has("etag: 900150983cd24fb0d6963f7d28e17f72"));  // RFC 1321, A.5
        EXPECT_TRUE(request.has("if-none-match: *"));
        mark = request.head.substr(request.head.find("x-object-meta-holdfast-put: "));
        mark.resize(mark.find("\r\n"));
        const int status = statuses.front();
        if (statuses.size() > 1) statuses.erase(statuses.begin());
        return FakeAnswer{status, "", ""};
    };
    const auto storage = open(password_of_a_user).value();
    EXPECT_TRUE(storage->put("x", as_bytes("abc"), Durability::immediate).ok());
    EXPECT_EQ(statuses.size(), 1u);
    // Refused, but what is there is of an earlier try.
    statuses = {412};
    EXPECT_TRUE(storage->put("x", as_bytes("abc"), Durability::immediate).ok());
    // Taken, and another writer has the name in the end.
    statuses = {201};
    on_storage_ = [](const FakeRequest&) { return FakeAnswer{201, "X-Object-Meta-Holdfast-Put: other\r\n", ""}; };
    EXPECT_EQ(storage->put("x", as_bytes("abc"), Durability::immediate).error().code(), ErrorCode::already_exists);
}

}  // namespace
}  // namespace holdfast
