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

Result<std::unique_ptr<Storage>> create(const FakeBucket& bucket) {
    StorageOptions options;
    options.environment = [](const std::string& name) -> std::optional<std::string> {
        if (name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY") return "key";
        return std::nullopt;
    };
    return S3Storage::open(bucket.url(), OpenMode::create, options);
}

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

}  // namespace
}  // namespace holdfast
