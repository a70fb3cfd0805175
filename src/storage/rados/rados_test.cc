#include <gtest/gtest.h>

#include "storage/rados/rados_location.h"

namespace holdfast {
namespace {

Environment with_arguments(const std::string& arguments) {
    return [arguments](const std::string& name) -> std::optional<std::string> {
        if (name != "CEPH_ARGS" || arguments.empty()) return std::nullopt;
        return arguments;
    };
}

TEST(RadosLocationTest, IsReadAsUsersWriteIt) {
    const auto none = with_arguments("");
    const RadosLocation plain = parse_rados_location("pool", none).value();
    EXPECT_EQ(plain.description(), "rados:pool");
    EXPECT_EQ(plain.client, "client.admin");
    EXPECT_EQ(plain.configuration_file, "");
    const RadosLocation whole = parse_rados_location("pool/a/b/?id=backup&conf=%2Fetc%2Fx.conf", none).value();
    EXPECT_EQ(whole.description(), "rados:pool/a/b");
    EXPECT_EQ(whole.name_space, "a/b");
    EXPECT_EQ(whole.client, "client.backup");
    EXPECT_EQ(whole.configuration_file, "/etc/x.conf");
    EXPECT_EQ(parse_rados_location("pool?id=client.x", none)->client, "client.x");
    for (const char* const text : {"", "/", "?id=x", "pool?key=secret", "pool?id="})
        EXPECT_EQ(parse_rados_location(text, none).error().code(), ErrorCode::invalid_argument) << text;
}

TEST(RadosLocationTest, TheClientMayStandInTheArgumentsOfCeph) {
    const auto client = [](const char* arguments, const char* url = "pool") {
        return parse_rados_location(url, with_arguments(arguments))->client;
    };
    EXPECT_EQ(client("--id backup"), "client.backup");
    EXPECT_EQ(client("-m 127.0.0.1 --id=backup"), "client.backup");
    EXPECT_EQ(client("-n client.backup --keyring k"), "client.backup");
    EXPECT_EQ(client("--name=client.a.b"), "client.a.b");
    EXPECT_EQ(client("--id"), "client.admin");
    EXPECT_EQ(client("--keyring k"), "client.admin");
    EXPECT_EQ(client("--id backup", "pool?id=other"), "client.other");
}

}  // namespace
}  // namespace holdfast
