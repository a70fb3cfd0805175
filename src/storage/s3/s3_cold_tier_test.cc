#include "storage/s3/s3_cold_tier.h"

#include <gtest/gtest.h>

#include <map>

#include "storage/s3/s3_storage.h"
#include "support/fake_http_server.h"

namespace holdfast {
namespace {

using State = Readability::State;

std::string error_of(const std::string& code) { return "<Error><Code>" + code + "</Code><Message>told</Message></Error>"; }

// A service that answers as it is told, by method and path: `later` from the second time on.
struct Service {
    std::map<std::string, FakeAnswer> answers, later;
    FakeHttpServer server{[this](const FakeRequest& request) {
        const std::string what = request.method + ' ' + request.target.substr(0, request.target.find('?'));
        const auto found = answers.find(what);
        if (found == answers.end()) return FakeAnswer{404, "", request.method == "HEAD" ? "" : error_of("NoSuchKey")};
        const FakeAnswer answer = found->second;
        if (later.contains(what)) found->second = later.at(what);
        return answer;
    }};

    std::unique_ptr<Storage> open(const std::string& more = "") {
        StorageOptions options;
        options.environment = [](const std::string& name) -> std::optional<std::string> {
            if (name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY") return "x";
            return std::nullopt;
        };
        return S3Storage::open(server.url() + "/b/r" + more, OpenMode::existing, options).value();
    }
    void head(const std::string& name, const std::string& headers) { answers["HEAD /b/r/" + name] = {200, headers, ""}; }
};

std::map<std::string, Readability> look(ColdTier& tier, const std::vector<std::string>& names) {
    std::map<std::string, Readability> found;
    const Status looked = tier.look(names, [&found](const std::string& name, const Readability& is) { found[name] = is; });
    EXPECT_TRUE(looked.ok()) << looked.error().describe();
    return found;
}

TEST(S3ColdTierTest, StatesAreThoseOfTheService) {
    Service service;
    const std::string cold = "x-amz-storage-class: DEEP_ARCHIVE\r\n";
    service.head("data/1/hot", "");
    service.head("data/1/frozen", cold);
    service.head("data/1/thawing", cold + "x-amz-restore: ongoing-request=\"true\"\r\n");
    service.head("data/1/readable",
                 cold + "x-amz-restore: ongoing-request=\"false\", expiry-date=\"Fri, 01 Jan 2100 00:00:00 GMT\"\r\n");
    service.head("data/1/expired",
                 cold + "x-amz-restore: ongoing-request=\"false\", expiry-date=\"Mon, 01 Jan 2001 00:00:00 GMT\"\r\n");
    const auto storage = service.open();
    ColdTier& tier = *storage->cold_tier();
    EXPECT_FALSE(tier.may_be_frozen());
    const auto found =
        look(tier, {"data/1/hot", "data/1/frozen", "data/1/thawing", "data/1/readable", "data/1/expired", "data/1/gone"});
    EXPECT_EQ(found.size(), 5u);
    EXPECT_FALSE(found.at("data/1/hot").is_archived());
    EXPECT_EQ(found.at("data/1/frozen").state, State::frozen);
    EXPECT_EQ(found.at("data/1/thawing").state, State::thawing);
    EXPECT_EQ(found.at("data/1/readable"), (Readability{State::readable, parse_rfc3339("2100-01-01").value()}));
    EXPECT_EQ(found.at("data/1/expired").state, State::frozen);
    EXPECT_TRUE(tier.may_be_frozen());
    service.head("data/1/odd", cold + "x-amz-restore: perhaps\r\n");
    EXPECT_EQ(tier.look(std::vector<std::string>{"data/1/odd"}, [](const std::string&, const Readability&) {}).error().code(),
              ErrorCode::unsupported);
}

TEST(S3ColdTierTest, TheClassInTheUrlTellsWhetherThereIsAReasonToAsk) {
    Service service;
    for (const char* const name : {"GLACIER", "DEEP_ARCHIVE", "COLD", "INTELLIGENT_TIERING"})
        EXPECT_TRUE(service.open(std::string("?class=") + name)->cold_tier()->may_be_frozen()) << name;
    for (const char* const name : {"", "STANDARD_IA", "GLACIER_IR"})
        EXPECT_FALSE(service.open(std::string("?class=") + name)->cold_tier()->may_be_frozen()) << name;
    EXPECT_TRUE(service.server.requests().empty());
}

TEST(S3ColdTierTest, WhatIsAskedForAlreadyIsNoError) {
    Service service;
    service.head("data/1/tiered", "x-amz-storage-class: INTELLIGENT_TIERING\r\nx-amz-archive-status: ARCHIVE_ACCESS\r\n");
    for (const char* const name : {"asked", "tiered"}) service.answers[std::string("POST /b/r/data/1/") + name] = {202, "", ""};
    service.answers["POST /b/r/data/1/readable"] = {200, "", ""};
    service.answers["POST /b/r/data/1/thawing"] = {409, "", error_of("RestoreAlreadyInProgress")};
    const auto storage = service.open();
    ColdTier& tier = *storage->cold_tier();
    EXPECT_EQ(look(tier, {"data/1/tiered"}).at("data/1/tiered").state, State::frozen);
    const Status asked = tier.thaw(std::vector<std::string>{"data/1/asked", "data/1/readable", "data/1/thawing", "data/1/tiered",
                                                            "data/1/gone"},
                                   {ThawSpeed::bulk, 5});
    EXPECT_TRUE(asked.ok()) << asked.error().describe();
    for (const FakeRequest& request : service.server.requests()) {
        if (request.method != "POST") continue;
        EXPECT_NE(request.target.find("?restore"), std::string::npos);
        EXPECT_NE(request.body.find("<Tier>Bulk</Tier>"), std::string::npos);
        // What a tier by itself has archived comes back for good.
        const bool is_tiered = request.target.find("tiered") != std::string::npos;
        EXPECT_EQ(request.body.find("<Days>5</Days>") == std::string::npos, is_tiered) << request.body;
    }
    service.answers["POST /b/r/data/1/denied"] = {403, "", error_of("AccessDenied")};
    EXPECT_EQ(tier.thaw(std::vector<std::string>{"data/1/denied"}, {}).error().code(), ErrorCode::permission_denied);
}

TEST(S3ColdTierTest, AReadThatIsRefusedIsNotTriedAgain) {
    Service service;
    service.answers["GET /b/r/data/1/a"] = {403, "", error_of("InvalidObjectState")};
    const auto storage = service.open();
    Bytes out(5);
    for (const Status& read : {storage->read("data/1/a", 0, out), Status(storage->get("data/1/a", 100).error())}) {
        EXPECT_EQ(read.error().code(), ErrorCode::frozen);
        EXPECT_NE(read.error().message().find("restore --thaw"), std::string::npos);
    }
    EXPECT_EQ(service.server.requests().size(), 2u);
    EXPECT_TRUE(storage->cold_tier()->may_be_frozen());
}

// The answer to a put was lost, and what is there cannot be read: its name is random, its size has to do.
TEST(S3ColdTierTest, APutWhoseAnswerWasLostIsOurs) {
    Service service;
    service.answers["PUT /b/r/data/1/a"] = {500, "", error_of("InternalError")};
    service.later["PUT /b/r/data/1/a"] = {412, "", error_of("PreconditionFailed")};
    service.head("data/1/a", "Content-Length: 4\r\nx-amz-storage-class: GLACIER\r\n");
    service.answers["GET /b/r/data/1/a"] = {403, "", error_of("InvalidObjectState")};
    const auto storage = service.open("?class=GLACIER");
    EXPECT_TRUE(storage->put("data/1/a", as_bytes("abcd"), Durability::deferred).ok());
    EXPECT_EQ(storage->put("data/1/a", as_bytes("abcde"), Durability::deferred).error().code(), ErrorCode::already_exists);
}

}  // namespace
}  // namespace holdfast
