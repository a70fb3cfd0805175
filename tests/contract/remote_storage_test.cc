// The storages behind a network, each against a real server: tests/servers/with_server.py starts it and sets what is
// read from the environment here. Each test has a place of its own in it.
#include <cstdlib>

#include "base/random.h"
#include "contract/storage_contract.h"
#include "storage/swift/swift_storage.h"

namespace holdfast {
namespace {

std::string required(const char* variable) {
    const char* const value = std::getenv(variable);
    if (value == nullptr) ADD_FAILURE() << variable << " is not set: run this by tests/servers/with_server.py";
    return value == nullptr ? "" : value;
}

std::string unique_name() {
    return to_hex(system_random().array<8>());
}

StorageUnderTest open_new(const std::string& url) {
    StorageOptions options;
    options.backoff.total = 10 * ns_per_second;
    auto storage = open_storage(url, OpenMode::create, options);
    EXPECT_TRUE(storage.ok()) << storage.error().describe();
    return {nullptr, storage.ok() ? std::move(storage).value() : nullptr};
}

StorageUnderTest make_s3() {
    return open_new("s3:" + required("HOLDFAST_TEST_S3") + "/contract/" + unique_name());
}
// The bucket itself, without a prefix.
StorageUnderTest make_s3_bucket() {
    return open_new("s3:" + required("HOLDFAST_TEST_S3") + "/contract-" + unique_name());
}

StorageUnderTest make_sftp() {
    return open_new(required("HOLDFAST_TEST_SFTP") + "/contract/" + unique_name());
}
// Below the home directory, by the name of a host that the configuration has.
StorageUnderTest make_sftp_at_home() {
    return open_new("sftp:holdfast-test:contract-" + unique_name());
}

INSTANTIATE_TEST_SUITE_P(Sftp, StorageContract, testing::Values(make_sftp, make_sftp_at_home));
// ST_AUTH, ST_USER and ST_KEY are the server's.
StorageUnderTest make_swift() {
    return open_new("swift:contract/" + unique_name());
}
StorageUnderTest make_swift_container() {
    return open_new("swift:contract-" + unique_name());
}

INSTANTIATE_TEST_SUITE_P(S3, StorageContract, testing::Values(make_s3, make_s3_bucket));
INSTANTIATE_TEST_SUITE_P(Swift, StorageContract, testing::Values(make_swift, make_swift_container));

TEST(SwiftStorageTest, WrongCredentialsAreSaidToBeWrong) {
    const Environment wrong = [](const std::string& name) -> std::optional<std::string> {
        return name == "ST_KEY" ? "wrong" : process_environment()(name);
    };
    EXPECT_EQ(SwiftStorage::open("contract/x", OpenMode::create, {}, wrong).error().code(),
              ErrorCode::permission_denied);
}

}  // namespace
}  // namespace holdfast
