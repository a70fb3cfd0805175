#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "storage/sftp/sftp_location.h"
#include "storage/sftp/sftp_packet.h"

namespace holdfast {
namespace {

TEST(SftpLocationTest, OfBothForms) {
    struct Case {
        std::string text, user, host;
        std::uint16_t port;
        std::string path, description;
    };
    for (const Case& expected : {
             Case{"//host/srv/backup", "", "host", 0, "/srv/backup", "sftp://host/srv/backup"},
             Case{"//me@host:2222/srv/backup//", "me", "host", 2222, "/srv/backup", "sftp://me@host:2222/srv/backup"},
             Case{"//me@corp.example@host/x", "me@corp.example", "host", 0, "/x", "sftp://me@corp.example@host/x"},
             Case{"//host/~/a%20b", "", "host", 0, "a b", "sftp://host/~/a%20b"},
             Case{"//host/~", "", "host", 0, "", "sftp://host/~"},
             Case{"//host/", "", "host", 0, "/", "sftp://host/"},
             Case{"//[2001:db8::1]:22/x", "", "2001:db8::1", 22, "/x", "sftp://[2001:db8::1]:22/x"},
             Case{"host:backup", "", "host", 0, "backup", "sftp://host/~/backup"},
             Case{"me@host:/srv/backup/", "me", "host", 0, "/srv/backup", "sftp://me@host/srv/backup"},
             Case{"host:", "", "host", 0, "", "sftp://host/~"},
             Case{"host:~/x", "", "host", 0, "x", "sftp://host/~/x"},
             Case{"host:a@b/c", "", "host", 0, "a@b/c", "sftp://host/~/a%40b/c"},
             Case{"host:~//x", "", "host", 0, "x", "sftp://host/~/x"},
             Case{"host:/~/x", "", "host", 0, "/~/x", "sftp://host/%7E/x"},
             Case{"//host/%7E/x", "", "host", 0, "/~/x", "sftp://host/%7E/x"},
             Case{"me@[::1]:x", "me", "::1", 0, "x", "sftp://me@[::1]/~/x"},
         }) {
        const auto location = parse_sftp_location(expected.text);
        ASSERT_TRUE(location.ok()) << expected.text << ": " << location.error().describe();
        EXPECT_EQ(location->user, expected.user) << expected.text;
        EXPECT_EQ(location->host, expected.host) << expected.text;
        EXPECT_EQ(location->port, expected.port) << expected.text;
        EXPECT_EQ(location->path, expected.path) << expected.text;
        EXPECT_EQ(location->description(), expected.description);
    }
}

TEST(SftpLocationTest, PathsOfObjects) {
    EXPECT_EQ(parse_sftp_location("//h/srv")->path_of("data/a"), "/srv/data/a");
    EXPECT_EQ(parse_sftp_location("//h/")->path_of("data/a"), "/data/a");
    EXPECT_EQ(parse_sftp_location("//h/~")->path_of("data/a"), "data/a");
    EXPECT_EQ(parse_sftp_location("h:x")->path_of("data/a"), "x/data/a");
    EXPECT_EQ(parse_sftp_location("h:")->path_of(""), ".");
    EXPECT_EQ(parse_sftp_location("h:x")->path_of(""), "x");
}

TEST(SftpLocationTest, APasswordIsRefusedAndNotRepeated) {
    for (const char* const text : {"//me:secret@host/x", "//me:secret@host:22/x", "me:secret@host:x",
                                   "me:secret@host:/x", "me:se/cret@host:x", "//me:secret/x", "//me:sec/ret@host/x"}) {
        const auto location = parse_sftp_location(text);
        ASSERT_FALSE(location.ok()) << text;
        EXPECT_EQ(location.error().code(), ErrorCode::invalid_argument);
        EXPECT_EQ(location.error().message().find("sec"), std::string::npos) << location.error().message();
        EXPECT_EQ(location.error().message().find("cret"), std::string::npos) << location.error().message();
    }
}

TEST(SftpLocationTest, WhatIsNoneIsRefused) {
    for (const char* const text :
         {"", "//", "//host", "host", "/srv", "//host:0/x", "//host:65536/x", "//host:/x", "//host:2x/x", "//-oProxy/x",
          "-oProxy:x", "//me@/x", "//@host/x", "//a b/x", "//h;id/x", "//$(id)@host/x", "//[::1/x", "//[host]/x", "//host/%0", "//host/%00"})
        EXPECT_EQ(parse_sftp_location(text).error().code(), ErrorCode::invalid_argument) << text;
}

Bytes reply_of(SftpType type, std::uint32_t id, const std::function<void(SftpRequest&)>& add) {
    SftpRequest reply(type, id);
    add(reply);
    const ByteSpan packet = reply.packet();
    return {packet.begin() + sftp_length_bytes, packet.end()};
}

TEST(SftpPacketTest, RequestsAreAsTheDraftHasThem) {
    SftpRequest hello(SftpType::init, 3);
    EXPECT_EQ(to_hex(hello.packet()), "00000005" "01" "00000003");
    SftpRequest open(SftpType::open, 7);
    open.text("/a").u32(sftp_open_write | sftp_open_create | sftp_open_exclusive).mode(0600);
    EXPECT_EQ(to_hex(open.packet()), "00000017" "03" "00000007" "000000022f61" "0000002a" "00000004" "00000180");
    SftpRequest write(SftpType::write, 0x01020304);
    write.text("h").u64(0x1122334455667788).data(as_bytes("xyz"));
    EXPECT_EQ(to_hex(write.packet()), "00000019" "06" "01020304" "0000000168" "1122334455667788" "0000000378797a");
}

TEST(SftpPacketTest, LengthsAreBounded) {
    EXPECT_EQ(parse_sftp_length(from_hex("00000005")).value(), 5u);
    EXPECT_EQ(parse_sftp_length(from_hex("00040000")).value(), max_sftp_packet_bytes);
    for (const char* const length : {"00000004", "00000000", "00040001", "ffffffff"})
        EXPECT_EQ(parse_sftp_length(from_hex(length)).error().code(), ErrorCode::corrupt) << length;
    EXPECT_FALSE(parse_sftp_length(from_hex("0000")).ok());
}

TEST(SftpPacketTest, RepliesAreRead) {
    const Bytes status = reply_of(SftpType::status, 9, [](SftpRequest& r) { r.u32(2).text("No such\nfile").text("en"); });
    const auto parsed_status = parse_sftp_reply(status);
    EXPECT_EQ(parsed_status->id, 9u);
    EXPECT_EQ(std::get<SftpStatus>(parsed_status->answer).code, SftpCode::no_such_file);
    EXPECT_EQ(std::get<SftpStatus>(parsed_status->answer).message, "No such?file");
    const auto unknown = parse_sftp_reply(reply_of(SftpType::status, 9, [](SftpRequest& r) { r.u32(99); }));
    EXPECT_EQ(std::get<SftpStatus>(unknown->answer).code, SftpCode::failure);
    const auto handle = parse_sftp_reply(reply_of(SftpType::handle, 1, [](SftpRequest& r) { r.text("h1"); }));
    EXPECT_EQ(std::get<SftpHandle>(handle->answer).value, "h1");
    const Bytes data = reply_of(SftpType::data, 1, [](SftpRequest& r) { r.text("content"); });
    const auto parsed_data = parse_sftp_reply(data);
    EXPECT_EQ(as_text(std::get<SftpData>(parsed_data->answer).bytes), "content");
    const auto attributes = parse_sftp_reply(reply_of(SftpType::attributes, 1, [](SftpRequest& r) {
        r.u32(0x8000000f).u64(5'000'000'000).u32(1).u32(2).u32(S_IFREG | 0644).u32(11).u32(12);
        r.u32(1).text("name").text("value");
    }));
    const auto& found = std::get<SftpAttributes>(attributes->answer);
    EXPECT_EQ(found.bytes, 5'000'000'000u);
    EXPECT_EQ(found.modified, 12u);
    EXPECT_TRUE(found.is_regular());
    EXPECT_FALSE(found.is_directory());
    const auto names = parse_sftp_reply(reply_of(SftpType::names, 1, [](SftpRequest& r) {
        r.u32(2).text("a").text("-rw a").u32(1).u64(3);
        r.text("b").text("drwx b").u32(4).u32(S_IFDIR | 0755);
    }));
    const auto& list = std::get<SftpNames>(names->answer);
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].name, "a");
    EXPECT_EQ(list[0].attributes.bytes, 3u);
    EXPECT_FALSE(list[0].attributes.is_regular());
    EXPECT_TRUE(list[1].attributes.is_directory());
}

TEST(SftpPacketTest, RepliesThatAreCutAreRefused) {
    for (const Bytes& whole : {
             reply_of(SftpType::status, 9, [](SftpRequest& r) { r.u32(2).text("No such file"); }),
             reply_of(SftpType::handle, 1, [](SftpRequest& r) { r.text("h1"); }),
             reply_of(SftpType::data, 1, [](SftpRequest& r) { r.text("content"); }),
             reply_of(SftpType::attributes, 1,
                      [](SftpRequest& r) { r.u32(0x8000000d).u64(5).u32(0644).u32(11).u32(12).u32(1).text("n").text("v"); }),
             reply_of(SftpType::names, 1, [](SftpRequest& r) { r.u32(1).text("a").text("-rw a").u32(1).u64(3); }),
         }) {
        ASSERT_TRUE(parse_sftp_reply(whole).ok());
        for (std::size_t size = 0; size < whole.size(); ++size) {
            // A status may end after its code.
            if (whole[0] == static_cast<std::uint8_t>(SftpType::status) && size == 9) continue;
            EXPECT_EQ(parse_sftp_reply(ByteSpan(whole).first(size)).error().code(), ErrorCode::corrupt)
                << to_hex(ByteSpan(whole).first(size));
        }
    }
}

TEST(SftpPacketTest, RepliesThatLieAreRefused) {
    for (const Bytes& reply : {
             reply_of(SftpType::data, 1, [](SftpRequest& r) { r.u32(0xffffffff); }),
             reply_of(SftpType::handle, 1, [](SftpRequest& r) { r.text(std::string(257, 'h')); }),
             reply_of(SftpType::names, 1, [](SftpRequest& r) { r.u32(0xffffffff); }),
             reply_of(SftpType::names, 1, [](SftpRequest& r) { r.u32(1).text("../x").text("").u32(0); }),
             reply_of(SftpType::names, 1, [](SftpRequest& r) { r.u32(1).text(std::string_view("a\0b", 3)).text("").u32(0); }),
             reply_of(SftpType::names, 1, [](SftpRequest& r) { r.u32(1).text("").text("").u32(0); }),
             reply_of(SftpType::attributes, 1, [](SftpRequest& r) { r.u32(0x80000000).u32(0xffffffff); }),
             reply_of(SftpType::open, 1, [](SftpRequest&) {}),
         })
        EXPECT_EQ(parse_sftp_reply(reply).error().code(), ErrorCode::corrupt) << to_hex(reply);
}

TEST(SftpPacketTest, AVersionTellsExtensions) {
    const auto version = parse_sftp_version(
        reply_of(SftpType::version, 3, [](SftpRequest& r) { r.text("fsync@openssh.com").text("1"); }));
    EXPECT_EQ(version->version, 3u);
    EXPECT_EQ(version->extensions, (std::map<std::string, std::string>{{"fsync@openssh.com", "1"}}));
    EXPECT_FALSE(parse_sftp_version(reply_of(SftpType::version, 3, [](SftpRequest& r) { r.text("fsync"); })).ok());
    EXPECT_FALSE(parse_sftp_version(reply_of(SftpType::status, 3, [](SftpRequest&) {})).ok());
}

TEST(SftpPacketTest, FreeSpaceIsRead) {
    const auto state = reply_of(SftpType::extended_reply, 1, [](SftpRequest& r) {
        r.u64(4096).u64(512).u64(100).u64(50).u64(10).u64(0).u64(0).u64(0).u64(0).u64(0).u64(255);
    });
    const auto reply = parse_sftp_reply(state);
    EXPECT_EQ(parse_sftp_free_bytes(std::get<SftpExtended>(reply->answer).bytes).value(), 5120u);
    EXPECT_FALSE(parse_sftp_free_bytes(from_hex("0011")).ok());
}

}  // namespace
}  // namespace holdfast
