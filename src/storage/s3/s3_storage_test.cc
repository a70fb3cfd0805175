#include "storage/s3/s3_storage.h"

#include <gtest/gtest.h>

#include <map>

#include "support/fake_http_server.h"

namespace holdfast {
namespace {

// A fake: a bucket without versions, that keeps or replaces what is there.
class FakeBucket {
  public:
    explicit FakeBucket(bool keeps) : keeps_(keeps) {}

    std::string url() const { return server_.url() + "/b/r"; }
    std::size_t object_count() const { return objects_.size(); }

  private:
    FakeAnswer answer(const FakeRequest& request) {
        const std::string path = request.target.substr(0, request.target.find('?'));
        const bool is_object = path.starts_with("/b/r/");
        if (!is_object && request.method == "GET")
            return {200, "", "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"};
        if (!is_object) return {200, "", ""};
        if (request.method == "PUT") {
            if (keeps_ && objects_.contains(path) && request.has("if-none-match: *"))
                return {412, "", "<Error><Code>PreconditionFailed</Code></Error>"};
            objects_[path] = request.body;
            return {200, "ETag: \"x\"\r\n", ""};
        }
        if (request.method == "DELETE") {
            objects_.erase(path);
            return {204, "", ""};
        }
        return {404, "", ""};
    }

    const bool keeps_;
    std::map<std::string, std::string> objects_;
    FakeHttpServer server_{[this](const FakeRequest& request) { return answer(request); }};
};

Result<std::unique_ptr<Storage>> open_at(const std::string& url, OpenMode mode) {
    StorageOptions options;
    options.environment = [](const std::string& name) -> std::optional<std::string> {
        if (name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY") return "key";
        return std::nullopt;
    };
    return S3Storage::open(url, mode, options);
}

Result<std::unique_ptr<Storage>> create(const FakeBucket& bucket) { return open_at(bucket.url(), OpenMode::create); }

TEST(S3StorageTest, IsMadeWhereWhatIsThereIsKept) {
    const FakeBucket keeps(true);
    const auto made = create(keeps);
    ASSERT_TRUE(made.ok()) << made.error().describe();
    EXPECT_EQ(keeps.object_count(), 0u);
}

TEST(S3StorageTest, IsNotMadeWhereWhatIsThereIsReplaced) {
    const FakeBucket replaces(false);
    const auto made = create(replaces);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code(), ErrorCode::unsupported);
    EXPECT_EQ(replaces.object_count(), 0u);
}

// A fake: a bucket that takes locks for each version, and may not mean it.
class FakeLocks {
  public:
    enum class Pretence : std::uint8_t { none, says_nothing, removes };
    explicit FakeLocks(Pretence pretence) : pretence_(pretence) {}

    Status prove() {
        const auto storage = open_at(server_.url() + "/b/r", OpenMode::existing).value();
        return storage->retention()->prove(LockMode::compliance);
    }

  private:
    FakeAnswer answer(const FakeRequest& request) {
        const std::string path = request.target.substr(0, request.target.find('?'));
        if (request.method == "PUT") {
            std::string& until = locks_[path];
            const std::string name = "x-amz-object-lock-retain-until-date: ";
            if (const auto at = request.head.find(name); at != std::string::npos)
                until = request.head.substr(at + name.size(), request.head.find('\r', at) - at - name.size());
            return {200, "x-amz-version-id: v1\r\n", ""};
        }
        const auto found = locks_.find(path);
        if (found == locks_.end()) return {404, "", ""};
        const bool is_locked = !found->second.empty();
        if (request.method == "DELETE") {
            if (is_locked && pretence_ != Pretence::removes)
                return {403, "", "<Error><Code>AccessDenied</Code></Error>"};
            locks_.erase(found);
            return {204, "", ""};
        }
        if (!is_locked || pretence_ == Pretence::says_nothing) return {200, "Content-Length: 0\r\n", ""};
        return {200, "Content-Length: 0\r\nx-amz-object-lock-mode: COMPLIANCE\r\nx-amz-object-lock-retain-until-date: " + found->second + "\r\n", ""};
    }

    const Pretence pretence_;
    std::map<std::string, std::string> locks_;  // until when; empty: not at all
    FakeHttpServer server_{[this](const FakeRequest& request) { return answer(request); }};
};

TEST(S3RetentionTest, LocksAreBelievedWhenTheyHold) {
    const Status proven = FakeLocks(FakeLocks::Pretence::none).prove();
    EXPECT_TRUE(proven.ok()) << proven.error().describe();
}

TEST(S3RetentionTest, LocksThatAreOnlyPretendedAreFound) {
    for (const auto& [pretence, text] : {std::pair{FakeLocks::Pretence::says_nothing, "does not say so"},
                                         std::pair{FakeLocks::Pretence::removes, "a locked version was removed"}}) {
        const Status proven = FakeLocks(pretence).prove();
        ASSERT_FALSE(proven.ok());
        EXPECT_EQ(proven.error().code(), ErrorCode::unsupported);
        EXPECT_NE(proven.error().message().find(text), std::string::npos) << proven.error().describe();
    }
}

}  // namespace
}  // namespace holdfast
