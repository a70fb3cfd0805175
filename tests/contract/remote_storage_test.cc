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

StorageUnderTest open_new(const std::string& url, bool wants_locks = false) {
    StorageOptions options;
    options.wants_locks = wants_locks;
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

std::string rados_url(const std::string& place) {
    return "rados:" + place + "?conf=" + required("HOLDFAST_TEST_CEPH_CONF");
}
StorageUnderTest make_rados() {
    return open_new(rados_url(required("HOLDFAST_TEST_CEPH_POOL") + '/' + unique_name()));
}

// With object lock all versions are kept, and the first one counts.
StorageUnderTest make_s3_with_locks() {
    return open_new("s3:" + required("HOLDFAST_TEST_S3") + "/locks-" + unique_name() + "/repository", true);
}

INSTANTIATE_TEST_SUITE_P(S3, StorageContract, testing::Values(make_s3, make_s3_bucket, make_s3_with_locks));
INSTANTIATE_TEST_SUITE_P(Swift, StorageContract, testing::Values(make_swift, make_swift_container));
INSTANTIATE_TEST_SUITE_P(Rados, StorageContract, testing::Values(make_rados));

TEST(RadosStorageTest, APoolThatIsMissingIsNotMade) {
    for (const OpenMode mode : {OpenMode::existing, OpenMode::create}) {
        const auto storage = open_storage(rados_url(unique_name()), mode);
        ASSERT_FALSE(storage.ok());
        EXPECT_EQ(storage.error().code(), ErrorCode::not_found) << storage.error().describe();
    }
}

TEST(RadosStorageTest, AnObjectThatIsTooLargeIsRefusedWithAReason) {
    const StorageUnderTest rados = make_rados();
    ASSERT_NE(rados.storage, nullptr);
    auto writer = rados.storage->begin("data/large").value();
    const Bytes piece(1 << 20);
    for (int i = 0; i < 90; ++i) ASSERT_TRUE(writer->append(piece).ok());
    const Status most = writer->commit(Durability::immediate);
    EXPECT_TRUE(most.ok()) << most.error().describe();
    EXPECT_EQ(rados.storage->head("data/large").value().bytes, 90u << 20);
    writer = rados.storage->begin("data/larger").value();
    for (int i = 0; i < 91; ++i) ASSERT_TRUE(writer->append(piece).ok());
    EXPECT_EQ(writer->commit(Durability::immediate).error().code(), ErrorCode::unsupported);
}

// More than one batch of sizes.
TEST(RadosStorageTest, ALongListingIsWhole) {
    const StorageUnderTest rados = make_rados();
    ASSERT_NE(rados.storage, nullptr);
    for (unsigned i = 0; i < 300; ++i)
        ASSERT_TRUE(rados.storage->put("data/" + std::to_string(i), Bytes(i), Durability::immediate).ok());
    const auto all = list_objects(*rados.storage, "data/").value();
    ASSERT_EQ(all.size(), 300u);
    for (const ObjectInfo& info : all) EXPECT_EQ(info.name, "data/" + std::to_string(info.bytes));
}

TEST(RadosStorageTest, WhatIsNotEmptyIsNotTaken) {
    const std::string url = rados_url(required("HOLDFAST_TEST_CEPH_POOL") + '/' + unique_name());
    const StorageUnderTest first = open_new(url);
    ASSERT_NE(first.storage, nullptr);
    ASSERT_TRUE(first.storage->put("data/x", {}, Durability::immediate).ok());
    EXPECT_EQ(open_storage(url, OpenMode::create).error().code(), ErrorCode::already_exists);
    EXPECT_TRUE(open_storage(url, OpenMode::existing).ok());
}

TEST(SwiftStorageTest, WrongCredentialsAreSaidToBeWrong) {
    const Environment wrong = [](const std::string& name) -> std::optional<std::string> {
        return name == "ST_KEY" ? "wrong" : process_environment()(name);
    };
    EXPECT_EQ(SwiftStorage::open("contract/x", OpenMode::create, {}, wrong).error().code(),
              ErrorCode::permission_denied);
}

}  // namespace
}  // namespace holdfast
