#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <ctime>
#include <map>

#include "crypto/sha256.h"
#include "http/http_date.h"
#include "s3/archive.h"
#include "s3/listing.h"
#include "s3/key_path.h"
#include "s3/location.h"
#include "s3/object_attributes.h"
#include "s3/object_lock.h"
#include "s3/s3_client.h"
#include "s3/signature.h"
#include "s3/upload.h"
#include "s3/xml.h"
#include "support/fake_http_server.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

Environment environment_of(std::map<std::string, std::string> variables) {
    return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
    };
}

// The examples of the service's documentation, "Signature Calculations for the Authorization Header".
std::string signature_of(const UnsignedRequest& request) {
    S3Credentials credentials;
    credentials.access_key = "AKIAIOSFODNN7EXAMPLE";
    credentials.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const auto headers = sign(request, credentials, "us-east-1", parse_rfc3339("2013-05-24").value());
    EXPECT_EQ(headers.back().name, "Authorization");
    return headers.back().value.substr(headers.back().value.find("Signature=") + 10);
}

TEST(SignatureTest, OfTheDocumentedExamples) {
    const std::string empty = to_hex(sha256({}));
    const std::string host = "examplebucket.s3.amazonaws.com";
    EXPECT_EQ(signature_of({"GET", host, "/test.txt", {}, {{"range", "bytes=0-9"}}, empty}),
              "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    EXPECT_EQ(signature_of({"PUT", host, "/test%24file.text", {},
                            {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                            to_hex(sha256(as_bytes("Welcome to Amazon S3.")))}),
              "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    EXPECT_EQ(signature_of({"GET", host, "/", {{"lifecycle", ""}}, {}, empty}),
              "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    EXPECT_EQ(signature_of({"GET", host, "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}, empty}),
              "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SignatureTest, ATokenIsSentAndSigned) {
    S3Credentials credentials;
    credentials.access_key = "A";
    credentials.secret_key = "S";
    credentials.session_token = "T";
    const auto headers = sign({"GET", "h", "/", {}, {}, "x"}, credentials, "r", 0);
    EXPECT_EQ(headers[2].name, "x-amz-security-token");
    EXPECT_NE(headers.back().value.find("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"),
              std::string::npos);
}

TEST(LocationTest, IsReadAsUsersWriteIt) {
    const auto none = environment_of({});
    const S3Location own = parse_s3_location("http://127.0.0.1:9000/bucket/a/b/", none).value();
    EXPECT_EQ(own.description(), "s3:http://127.0.0.1:9000/bucket/a/b");
    EXPECT_EQ(own.host(), "127.0.0.1:9000");
    EXPECT_EQ(own.base_path(), "/bucket");
    EXPECT_EQ(own.prefix, "a/b");
    EXPECT_EQ(own.region, "us-east-1");
    const S3Location amazon = parse_s3_location("s3.eu-west-3.amazonaws.com/bucket", none).value();
    EXPECT_EQ(amazon.scheme, "https");
    EXPECT_EQ(amazon.host(), "bucket.s3.eu-west-3.amazonaws.com");
    EXPECT_EQ(amazon.base_path(), "");
    EXPECT_EQ(amazon.region, "eu-west-3");
    EXPECT_EQ(parse_s3_location("s3.amazonaws.com/bucket", none)->region, "us-east-1");
    EXPECT_EQ(parse_s3_location("obs.eu-west-101.myhuaweicloud.com/b", none)->host(),
              "b.obs.eu-west-101.myhuaweicloud.com");
    // A bucket with a dot has no certificate of its own.
    EXPECT_TRUE(parse_s3_location("s3.amazonaws.com/a.b", none)->is_path_style);
    const auto elsewhere = environment_of({{"AWS_DEFAULT_REGION", "there"}});
    EXPECT_EQ(parse_s3_location("host/b", elsewhere)->region, "there");
    const S3Location told = parse_s3_location("host/b?region=here&style=virtual&class=GLACIER", elsewhere).value();
    EXPECT_EQ(told.region, "here");
    EXPECT_EQ(told.host(), "b.host");
    EXPECT_EQ(told.storage_class, "GLACIER");
    for (const char* const text : {"", "host", "host/", "ftp://host/b", "host/b?style=odd", "host/b?timeout=0", "host/b?timeout=x", "host/b?secret=x"})
        EXPECT_EQ(parse_s3_location(text, none).error().code(), ErrorCode::invalid_argument) << text;
}

TEST(LocationTest, OfABucketThatIsBackedUp) {
    const auto none = environment_of({});
    const S3BucketUrl amazon = parse_s3_bucket_url("s3://photos/2026/?region=eu-west-3", none).value();
    EXPECT_EQ(amazon.name(), "s3://photos/2026");
    EXPECT_EQ(amazon.location.host(), "photos.s3.eu-west-3.amazonaws.com");
    EXPECT_EQ(amazon.location.prefix, "2026");
    EXPECT_FALSE(amazon.has_all_versions);
    const S3BucketUrl own =
        parse_s3_bucket_url("s3://photos?endpoint=http%3A%2F%2F127.0.0.1:9000/&versions=all", none).value();
    EXPECT_EQ(own.name(), "s3://photos");
    EXPECT_EQ(own.location.url_of("k"), "s3:http://127.0.0.1:9000/photos/k");
    EXPECT_TRUE(own.has_all_versions);
    const auto set = environment_of({{"AWS_ENDPOINT_URL", "http://other"}, {"AWS_ENDPOINT_URL_S3", "http://this"}});
    EXPECT_EQ(parse_s3_bucket_url("s3://b", set)->location.authority, "this");
    EXPECT_EQ(parse_s3_bucket_url("s3://b?endpoint=told", set)->location.authority, "told");
    EXPECT_EQ(parse_s3_bucket_url("s3://b", environment_of({{"AWS_REGION", "r"}}))->location.host(),
              "b.s3.r.amazonaws.com");
    for (const char* const text : {"", "s3:", "s3://", "s3:///b", "s3://b?versions=some", "s3://b?endpoint=http://h/p",
                                   "s3://b?secret=x", "s3://b?endpoint=ftp://h"})
        EXPECT_EQ(parse_s3_bucket_url(text, none).error().code(), ErrorCode::invalid_argument) << text;
}

TEST(CredentialsTest, OfTheEnvironment) {
    S3CredentialSource source(environment_of({{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "S"},
                                              {"AWS_SESSION_TOKEN", "T"}}),
                              system_clock(), {});
    const S3Credentials found = source.get().value();
    EXPECT_EQ(found.access_key + found.secret_key + found.session_token, "AST");
}

TEST(CredentialsTest, OfAProfile) {
    const std::string text = "# comment\n[default]\naws_access_key_id = A\naws_secret_access_key=S\n"
                             "[other]\r\naws_access_key_id=B\r\naws_secret_access_key=R\r\naws_session_token=T\r\n[half]\naws_access_key_id=C\n";
    EXPECT_EQ(parse_profile(text, "default")->secret_key, "S");
    EXPECT_EQ(parse_profile(text, "other")->access_key, "B");
    EXPECT_EQ(parse_profile(text, "other")->session_token, "T");
    EXPECT_FALSE(parse_profile(text, "half").has_value());
    EXPECT_FALSE(parse_profile("[", "default").has_value());
}

TEST(CredentialsTest, WithoutAnyTheErrorSaysWhatToDo) {
    S3CredentialSource source(environment_of({{"AWS_EC2_METADATA_DISABLED", "true"}, {"HOME", "/nowhere"}}),
                              system_clock(), {});
    const auto found = source.get();
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code(), ErrorCode::permission_denied);
    EXPECT_NE(found.error().message().find("AWS_ACCESS_KEY_ID"), std::string::npos);
}

TEST(CredentialsTest, OfAMetadataService) {
    const auto found = parse_metadata_credentials(
        R"({"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-01-01T00:00:00Z","Code":"Success"})");
    EXPECT_EQ(found->session_token, "T");
    EXPECT_EQ(*found->expires, parse_rfc3339("2026-01-01").value());
    for (const char* const text : {"", "[]", "{}", R"({"AccessKeyId":1,"SecretAccessKey":2})"})
        EXPECT_FALSE(parse_metadata_credentials(text).ok()) << text;
}

// A fake of a machine's metadata service, whose credentials are good for an hour.
class MetadataTest : public testing::Test {
  protected:
    FakeAnswer answer(const FakeRequest& request) {
        if (failing_ > 0) {
            --failing_;
            return {500, "", ""};
        }
        if (request.target == "/latest/api/token")
            return {request.has("X-aws-ec2-metadata-token-ttl-seconds: 300") ? 200 : 400, "", "token"};
        const bool is_known = request.target == "/of/container" ? request.has("Authorization: letter")
                                                                : request.has("X-aws-ec2-metadata-token: token");
        if (!is_known) return {401, "", ""};
        if (request.target == "/latest/meta-data/iam/security-credentials/") return {200, "", "role\n"};
        const std::string key = "key" + std::to_string(++given_);
        return {200, "", R"({"AccessKeyId":")" + key + R"(","SecretAccessKey":"S","Token":"T","Expiration":")" +
                        format_rfc3339(clock_.now() + 3600 * ns_per_second) + "\"}"};
    }
    std::string key_of(S3CredentialSource& source) {
        const auto found = source.get();
        return found.ok() ? found->access_key : found.error().describe();
    }

    ManualClock clock_{parse_rfc3339("2026-01-01").value()};
    std::atomic<int> failing_ = 0, given_ = 0;
    FakeHttpServer server_{[this](const FakeRequest& request) { return answer(request); }};
    S3CredentialSource of_machine_{environment_of({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url()}, {"HOME", "/nowhere"}}),
                                   clock_, {}};
};

TEST_F(MetadataTest, OfAMachineAreAskedForAnewBeforeTheyExpire) {
    EXPECT_EQ(key_of(of_machine_), "key1");
    clock_.advance(54 * 60 * ns_per_second);
    EXPECT_EQ(key_of(of_machine_), "key1");
    EXPECT_EQ(server_.requests().size(), 3u);
    clock_.advance(2 * 60 * ns_per_second);
    EXPECT_EQ(key_of(of_machine_), "key2");
}

TEST_F(MetadataTest, ABadMomentOfTheServiceIsNoEnd) {
    failing_ = 2;
    EXPECT_EQ(key_of(of_machine_), "key1");
    // What is known is good for four minutes more.
    clock_.advance(56 * 60 * ns_per_second);
    failing_ = 1000;
    EXPECT_EQ(key_of(of_machine_), "key1");
    const std::size_t asked = server_.requests().size();
    EXPECT_EQ(key_of(of_machine_), "key1");
    EXPECT_EQ(server_.requests().size(), asked);
    clock_.advance(5 * 60 * ns_per_second);
    EXPECT_EQ(of_machine_.get().error().code(), ErrorCode::unavailable);
    failing_ = 0;
    EXPECT_EQ(key_of(of_machine_), "key2");
}

TEST_F(MetadataTest, OfAContainer) {
    S3CredentialSource source(environment_of({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.url() + "/of/container"},
                                              {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "letter"},
                                              {"HOME", "/nowhere"}}),
                              clock_, {});
    EXPECT_EQ(key_of(source), "key1");
}

TEST_F(MetadataTest, KeysOfTheEnvironmentComeFirst) {
    S3CredentialSource source(environment_of({{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "S"}, {"AWS_PROFILE", "none"},
                                              {"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url()}}),
                              clock_, {});
    EXPECT_EQ(key_of(source), "A");
    EXPECT_TRUE(server_.requests().empty());
}

TEST(XmlTest, IsReadWithoutNamespaces) {
    const XmlElement root = parse_xml(as_bytes("<?xml version=\"1.0\"?><a:L xmlns:a=\"u\"><K>x&amp;y</K><K>z</K><E/></a:L>")).value();
    EXPECT_EQ(root.name, "L");
    EXPECT_EQ(root.children.size(), 3u);
    EXPECT_EQ(root.child_text("K"), "x&y");
    EXPECT_EQ(root.child_text("none"), "");
}

TEST(XmlTest, WhatIsNoneIsRefused) {
    std::string deep;
    for (int i = 0; i < 100; ++i) deep += "<a>";
    for (int i = 0; i < 100; ++i) deep += "</a>";
    for (const std::string& text : {std::string(), std::string("<a>"), std::string("text"), deep,
                                    std::string("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>")})
        EXPECT_EQ(parse_xml(as_bytes(text)).error().code(), ErrorCode::corrupt) << text;
    EXPECT_EQ(xml_escape("<a&\"b\">"), "&lt;a&amp;&quot;b&quot;&gt;");
}

std::string listing_of(const std::string& inner) {
    return "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + inner +
           "</ListBucketResult>";
}
std::string contents_of(const std::string& key) {
    return "<Contents><Key>" + key + "</Key><Size>3</Size></Contents>";
}

TEST(S3ListingTest, APageIsRead) {
    const auto page = parse_listing(as_bytes(listing_of("<IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>"
                                                        "<KeyCount>2</KeyCount><NextContinuationToken>t</NextContinuationToken>" +
                                                        contents_of("p/a%2Bb") + contents_of("p/c"))),
                                    "p/");
    ASSERT_TRUE(page.ok()) << page.error().describe();
    ASSERT_EQ(page->objects.size(), 2u);
    EXPECT_EQ(page->objects[0].key, "p/a+b");
    EXPECT_EQ(page->objects[1].key, "p/c");
    EXPECT_EQ(page->objects[1].bytes, 3u);
    EXPECT_EQ(page->continuation, "t");
}

// What a listing leaves out may be deleted: a page that may be less than all is none.
TEST(S3ListingTest, APageThatMayBeLessThanAllIsRefused) {
    const std::string all = "<IsTruncated>false</IsTruncated>";
    for (const std::string& body :
         {std::string(), std::string("<Error/>"), listing_of(""), listing_of("<IsTruncated>maybe</IsTruncated>"),
          listing_of("<IsTruncated>true</IsTruncated>"), listing_of(all + "<KeyCount>1</KeyCount>"),
          listing_of(all + contents_of("p/b") + contents_of("p/a")), listing_of(all + contents_of("q/a")),
          listing_of(all + "<Contents><Key>p/a</Key></Contents>"),
          listing_of(all + "<Contents><Key>p/a</Key><Size>-3</Size></Contents>"),
          listing_of(all + contents_of("p/a")).substr(0, 150)})
        EXPECT_EQ(parse_listing(as_bytes(body), "p/").error().code(), ErrorCode::corrupt) << body;
}

TEST(S3ListingTest, UploadsAreRead) {
    const auto uploads = parse_uploads(as_bytes("<ListMultipartUploadsResult><Upload><Key>p/a</Key><UploadId>u</UploadId>"
                                                "<Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>"
                                                "</ListMultipartUploadsResult>"));
    ASSERT_TRUE(uploads.ok());
    ASSERT_EQ(uploads->size(), 1u);
    EXPECT_EQ(uploads->front().id, "u");
    EXPECT_EQ(uploads->front().begun, parse_rfc3339("2026-01-02T03:04:05Z").value());
}

std::string text_of(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : "/") + name;
    return text;
}

// The key that a path stands for, as a walk down finds it.
std::string key_of(const std::vector<std::string>& names) {
    KeyDirectory directory;
    for (std::size_t i = 0; i + 1 < names.size(); ++i) directory = directory_below(directory, names[i]);
    return object_below(directory, names.back());
}

TEST(KeyPathTest, UsualKeysAreTheirOwnPaths) {
    for (const char* const key : {"a", "a/b.txt", "a b/%41/ü", "...", ".s3", "a/.hidden"}) {
        EXPECT_EQ(text_of(path_of_key(key, KeyPathKind::object)), key);
        EXPECT_EQ(key_of(path_of_key(key, KeyPathKind::object)), key);
    }
}

TEST(KeyPathTest, OddKeysHaveNamesOfTheirOwn) {
    const auto path = [](std::string_view key) { return text_of(path_of_key(key, KeyPathKind::object)); };
    EXPECT_EQ(path("a/"), "a/.s3~e");
    EXPECT_EQ(path(""), ".s3~e");
    EXPECT_EQ(path("/a"), ".s3~e/a");
    EXPECT_EQ(path("a//b"), "a/.s3~e/b");
    EXPECT_EQ(path("../a/."), ".s3~e../a/.s3~e.");
    EXPECT_EQ(path(".s3~x"), ".s3~e.s3~x");
    EXPECT_EQ(path(std::string("a%b\0c", 5)), ".s3~ea%25b%00c");
    EXPECT_EQ(text_of(path_of_key("a/b", KeyPathKind::object_beside_directory)), "a/.s3~ob");
    EXPECT_EQ(text_of(path_of_key("a/b", KeyPathKind::versions)), "a/.s3~vb");
    const auto names = path_of_key(std::string(600, 'x') + "/y", KeyPathKind::object);
    ASSERT_EQ(names.size(), 4u);
    EXPECT_EQ(names[0], ".s3~c" + std::string(250, 'x'));
    EXPECT_EQ(names[2], ".s3~e" + std::string(100, 'x'));
    const KeyDirectory versions = directory_below({"a/", false}, ".s3~vb");
    EXPECT_EQ(versions.key, "a/b");
    EXPECT_TRUE(versions.holds_versions);
}

// A key of pieces that are odd, or odd together.
rc::Gen<std::string> odd_key() {
    const auto piece = rc::gen::element<std::string>("/", "/", ".", "..", "a", "b", "%", "%00", ".s3~", "e", "o", "c", "v",
                                                     std::string("\0", 1), " ", "-", "ü", "\xff", std::string(130, 'l'),
                                                     std::string(83, '%'), "\x80", "~");
    return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const std::vector<std::string>& pieces) {
        std::string key;
        for (const std::string& one : pieces) key += one;
        return key.substr(0, 1024);
    });
}

TEST(KeyPathTest, EachKeyComesBack) {
    rc::check([] {
        const std::string key = *odd_key();
        for (const KeyPathKind role : {KeyPathKind::object, KeyPathKind::object_beside_directory, KeyPathKind::versions}) {
            const auto names = path_of_key(key, role);
            for (const std::string& name : names) {
                RC_ASSERT(!name.empty() && name != "." && name != ".." && name.size() <= 255u);
                RC_ASSERT(name.find('\0') == std::string::npos && name.find('/') == std::string::npos);
            }
            RC_ASSERT(key_of(names) == key);
        }
    });
}

TEST(KeyPathTest, NamesOfVersionsAreInOrder) {
    VersionNames names;
    // From the newest one on, with clocks that do not agree.
    std::vector<std::string> made;
    for (const TimeNs time : std::initializer_list<TimeNs>{5'000'000'000, 5'000'000'000, 4'500'000'000, 4'999'999'999, -1})
        made.push_back(names.next("k", time, false));
    for (std::size_t i = 1; i < made.size(); ++i) EXPECT_LT(made[i], made[i - 1]);
    EXPECT_EQ(made[0], "1970-01-01T00:00:05.000000000Z-999999");
    EXPECT_EQ(made[2], "1970-01-01T00:00:04.500000000Z-999999");
    EXPECT_EQ(made[3], "1970-01-01T00:00:04.500000000Z-999998");
    EXPECT_EQ(names.next("l", 6'000'000'000, true), "1970-01-01T00:00:06.000000000Z-999999-deleted");
}

TEST(ObjectAttributesTest, ComeFromHeadersAndGoBack) {
    HttpResponse response;
    response.headers = {{"etag", "\"abc\""}, {"content-type", "text/plain"}, {"x-amz-meta-owner", "me"},
                        {"x-amz-object-lock-mode", "GOVERNANCE"}, {"server", "x"}, {"x-amz-storage-class", "STANDARD"}};
    const auto attributes = attributes_in(response);
    EXPECT_EQ(attributes, (std::vector<ObjectAttribute>{{"user.s3.content-type", "text/plain"},
                                                        {"user.s3.etag", "abc"},
                                                        {"user.s3.lock-mode", "GOVERNANCE"},
                                                        {"user.s3.meta.owner", "me"},
                                                        {"user.s3.storage-class", "STANDARD"}}));
    std::string given;
    for (const ObjectAttribute& attribute : attributes)
        for (const HttpHeader& header : std::vector(headers_of(attribute).value())) given += header.name + ':' + header.value + '\n';
    EXPECT_EQ(given, "content-type:text/plain\nx-amz-meta-owner:me\n");
    EXPECT_EQ(headers_of({"user.s3.tags", "a=1"})->at(0).name, "x-amz-tagging");
    EXPECT_TRUE(headers_of({"user.other", "x\n"})->empty());
    EXPECT_EQ(headers_of({"user.s3.meta.a", "b\r\nx: y"}).error().code(), ErrorCode::invalid_argument);
    EXPECT_EQ(headers_of({"user.s3.meta.a\nb", "c"}).error().code(), ErrorCode::invalid_argument);
}

TEST(ArchiveTest, TheHeaderOfARestoreIsRead) {
    const RestoreHeader ongoing = parse_restore_header("ongoing-request=\"true\"").value();
    EXPECT_TRUE(ongoing.is_ongoing);
    EXPECT_FALSE(ongoing.expiry.has_value());
    const std::string date = "Fri, 21 Dec 2012 00:00:00 GMT";
    for (const std::string& text : {"ongoing-request=\"false\", expiry-date=\"" + date + '"',
                                    "expiry-date=\"" + date + "\",ongoing-request=\"false\"",
                                    " ongoing-request=\"false\",  expiry-date=\"" + date + "\", new=\"x\" "}) {
        const auto done = parse_restore_header(text);
        ASSERT_TRUE(done.ok()) << text;
        EXPECT_FALSE(done->is_ongoing);
        EXPECT_EQ(done->expiry, parse_rfc3339("2012-12-21").value());
    }
    for (const char* const text : {"", " ", ",", "x", "ongoing-request", "ongoing-request=", "ongoing-request=\"", "ongoing-request=\"true",
                                   "ongoing-request=\"maybe\"", "ongoing-request=true", "expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"",
                                   "ongoing-request=\"false\", expiry-date=\"soon\"", "ongoing-request=\"false\", x"})
        EXPECT_EQ(parse_restore_header(text).error().code(), ErrorCode::unsupported) << text;
}

TEST(ArchiveTest, NoHeaderOfARestoreIsReadBeyondItsEnd) {
    rc::check([] {
        const auto piece = rc::gen::element<std::string>("ongoing-request", "expiry-date", "=", "\"", "true", "false", ",", " ",
                                                         "Fri, 21 Dec 2012 00:00:00 GMT", std::string("\0", 1), "x");
        std::string text;
        for (const std::string& one : *rc::gen::container<std::vector<std::string>>(piece)) text += one;
        const auto header = parse_restore_header(text);
        RC_ASSERT(header.ok() || header.error().code() == ErrorCode::unsupported);
    });
}

TEST(ArchiveTest, WhatAnAnswerTells) {
    const auto state_of = [](std::vector<HttpHeader> headers) {
        HttpResponse response;
        response.headers = std::move(headers);
        return archive_state_of(response).value();
    };
    EXPECT_FALSE(state_of({}).is_archived);
    EXPECT_FALSE(state_of({{"x-amz-storage-class", "GLACIER_IR"}}).is_archived);
    EXPECT_FALSE(state_of({{"x-amz-storage-class", "INTELLIGENT_TIERING"}}).is_archived);
    for (const char* const name : {"GLACIER", "DEEP_ARCHIVE", "COLD"})
        EXPECT_TRUE(state_of({{"x-amz-storage-class", name}}).is_archived) << name;
    const ArchiveState obs = state_of({{"x-obs-storage-class", "COLD"}, {"x-obs-restore", "ongoing-request=\"true\""}});
    EXPECT_TRUE(obs.is_archived && obs.restore->is_ongoing && !obs.is_tiered);
    const ArchiveState tiered = state_of({{"x-amz-storage-class", "INTELLIGENT_TIERING"}, {"x-amz-archive-status", "ARCHIVE_ACCESS"}});
    EXPECT_TRUE(tiered.is_archived && tiered.is_tiered && !tiered.restore);
    EXPECT_TRUE(may_be_archived("INTELLIGENT_TIERING") && may_be_archived("GLACIER") && !may_be_archived("STANDARD_IA"));
}

TEST(ArchiveTest, ARequestToRestore) {
    EXPECT_EQ(restore_request_body(RestoreTier::bulk, 3),
              "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>3</Days><GlacierJobParameters><Tier>Bulk"
              "</Tier></GlacierJobParameters></RestoreRequest>");
    EXPECT_EQ(restore_request_body(RestoreTier::expedited, 0).find("Days"), std::string::npos);
}

TEST(S3ListingTest, VersionsAreRead) {
    const std::string body =
        "<ListVersionsResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><NextKeyMarker>p%2Fb</NextKeyMarker>"
        "<NextVersionIdMarker>v1</NextVersionIdMarker>"
        "<DeleteMarker><Key>p%2Fa</Key><VersionId>v3</VersionId><IsLatest>true</IsLatest>"
        "<LastModified>2026-01-02T03:04:06Z</LastModified></DeleteMarker>"
        "<Version><Key>p%2Fa</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest><Size>7</Size><ETag>&quot;t&quot;</ETag>"
        "<LastModified>2026-01-02T03:04:05.678Z</LastModified></Version></ListVersionsResult>";
    const auto page = parse_version_listing(as_bytes(body), "p/");
    ASSERT_TRUE(page.ok()) << page.error().describe();
    ASSERT_EQ(page->versions.size(), 2u);
    EXPECT_TRUE(page->versions[0].is_delete_marker && page->versions[0].is_latest);
    EXPECT_EQ(page->versions[1].object.etag, "t");
    EXPECT_EQ(page->versions[1].object.bytes, 7u);
    EXPECT_EQ(page->versions[1].object.storage_class, "");
    EXPECT_EQ(page->versions[1].object.modified, parse_rfc3339("2026-01-02T03:04:05.678Z").value());
    EXPECT_EQ(page->next_key, "p/b");
    EXPECT_EQ(parse_version_listing(as_bytes(body), "q/").error().code(), ErrorCode::corrupt);
}

TEST(S3ListingTest, AMarkerMayBeEncodedOrNot) {
    for (const char* const marker : {"p/%C3%BC%2B%25", "p/ü+%"}) {
        const std::string body =
            "<ListVersionsResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><NextKeyMarker>" +
            std::string(marker) +
            "</NextKeyMarker><DeleteMarker><Key>p/%C3%BC%2B%25</Key><VersionId>v3</VersionId>"
            "<LastModified>2026-01-02T03:04:06Z</LastModified></DeleteMarker></ListVersionsResult>";
        const auto page = parse_version_listing(as_bytes(body), "p/");
        ASSERT_TRUE(page.ok()) << page.error().describe();
        EXPECT_EQ(page->next_key, "p/ü+%");
    }
}

using Mode = VersionLock::Mode;

TEST(VersionLock, NothingIsEverLockedLess) {
    constexpr TimeNs now = 100;
    const VersionLock none, short_lock{Mode::governance, 200, false}, long_lock{Mode::governance, 300, false},
        strong{Mode::compliance, 200, false}, over{Mode::compliance, 50, false}, held{Mode::none, 0, true};
    struct Case {
        VersionLock present, wanted, added;
    };
    const Case cases[] = {
        {none, none, none},
        {none, short_lock, short_lock},
        {short_lock, long_lock, long_lock},
        {long_lock, short_lock, none},
        {long_lock, strong, {Mode::compliance, 300, false}},
        {strong, long_lock, {Mode::compliance, 300, false}},
        {strong, short_lock, none},
        {none, over, none},
        {none, held, held},
        {held, none, none},
        {held, {Mode::governance, 200, true}, short_lock},
    };
    for (const Case& one : cases)
        EXPECT_EQ(lock_to_add(one.present, one.wanted, now), one.added)
            << describe_lock(one.present) << " / " << describe_lock(one.wanted);
}

TEST(VersionLock, TextsAndHeadersComeBack) {
    const TimeNs until = parse_rfc3339("2027-01-01T00:00:00Z").value();
    for (const VersionLock& lock : {VersionLock{}, VersionLock{Mode::governance, until, false},
                                    VersionLock{Mode::compliance, until, true}, VersionLock{Mode::none, 0, true}}) {
        EXPECT_EQ(parse_lock(describe_lock(lock)), lock) << describe_lock(lock);
        HttpResponse response;
        response.headers = lock_headers(lock, 0);
        EXPECT_EQ(lock_in(response).value(), lock) << describe_lock(lock);
    }
    EXPECT_TRUE(parse_lock("nonsense").is_none());
    EXPECT_TRUE(lock_headers({Mode::compliance, until, false}, until + 1).empty());
}

TEST(Upload, PartsOfAKnownProgramAreFoundByTheirNumber) {
    constexpr std::uint64_t mebibyte = 1u << 20;
    EXPECT_EQ(S3Upload::part_bytes_like("abc-3", 20 * mebibyte), 8 * mebibyte);
    EXPECT_EQ(S3Upload::part_bytes_like("abc-4", 20 * mebibyte), 5 * mebibyte);
    EXPECT_EQ(S3Upload::part_bytes_like("abc-2", 20 * mebibyte), 16 * mebibyte);
    EXPECT_EQ(S3Upload::part_bytes_like("abc-20", 20 * mebibyte), std::nullopt);
    for (const char* const etag : {"abc", "abc-", "abc-0", "abc-x"}) EXPECT_EQ(S3Upload::part_bytes_like(etag, 1), std::nullopt);
}

// A fake service of which the region is another than ours, and the clock three hours ahead. Two requests are on their way
// before the first answer: what that teaches must not make the other's refusal final.
TEST(S3ClientTest, EveryRequestOnItsWayIsSignedAnewAfterARefusal) {
    for (const bool is_of_region : {true, false}) {
        const TimeNs ahead = TimeNs{3} * 3600 * ns_per_second;
        FakeHttpServer server([&](const FakeRequest& request) -> FakeAnswer {
            const bool knows_region = request.head.find("/there/s3/") != std::string::npos;
            if (is_of_region)
                return knows_region ? FakeAnswer{200, "", "x"}
                                    : FakeAnswer{400, "", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>there</Region></Error>"};
            const time_t now = (system_clock().now() + ahead) / ns_per_second;
            struct tm parts{};
            ::gmtime_r(&now, &parts);
            char hour[64], date[64];
            std::strftime(hour, sizeof hour, "x-amz-date: %Y%m%dT%H", &parts);
            std::strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
            if (request.head.find(hour) != std::string::npos) return {200, "", "x"};
            return {403, date, "<Error><Code>RequestTimeTooSkewed</Code></Error>"};
        });
        const Environment environment = environment_of({{"AWS_ACCESS_KEY_ID", "k"}, {"AWS_SECRET_ACCESS_KEY", "s"}});
        const S3Location location = parse_s3_location(server.url() + "/bucket", environment).value();
        const auto client = S3Client::open(location, {}, environment, system_clock(), system_random()).value();
        const auto first = client->start(S3Request{}), second = client->start(S3Request{});
        for (S3Call* const call : {first.get(), second.get()}) {
            const auto answer = call->wait();
            EXPECT_TRUE(answer.ok()) << answer.error().describe();
        }
        EXPECT_EQ(server.requests().size(), 4u);
    }
}

class S3AnswersTest : public testing::Test {
  protected:
    Result<HttpResponse> call(FakeHttpServer& server, S3Request request) {
        const Environment environment = environment_of({{"AWS_ACCESS_KEY_ID", "k"}, {"AWS_SECRET_ACCESS_KEY", "s"}});
        const S3Location location = parse_s3_location(server.url() + "/bucket", environment).value();
        S3Options options;
        options.backoff.total = ns_per_second / 2;
        const auto client = S3Client::open(location, options, environment, system_clock(), system_random()).value();
        return client->call(std::move(request));
    }
};

// The end of an upload of parts is told so when it fails late.
TEST_F(S3AnswersTest, ASuccessWithAnErrorInItIsAFailure) {
    int asked = 0;
    FakeHttpServer server([&](const FakeRequest&) -> FakeAnswer {
        if (++asked == 1) return {200, "", "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>"};
        return {200, "", "<CompleteMultipartUploadResult/>"};
    });
    S3Request request;
    request.method = "POST";
    EXPECT_TRUE(call(server, request).ok());
    EXPECT_EQ(asked, 2);
    FakeHttpServer never([](const FakeRequest&) -> FakeAnswer { return {200, "", "<Error><Code>InternalError</Code></Error>"}; });
    const auto failed = call(never, request);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code(), ErrorCode::unavailable);
}

// The service refuses what was changed on the way.
TEST_F(S3AnswersTest, WhatIsSentIsSignedWithItsDigest) {
    FakeHttpServer server([](const FakeRequest&) -> FakeAnswer { return {200, "", ""}; });
    S3Request request;
    request.method = "PUT";
    request.key = "key";
    request.body = as_bytes("some content");
    ASSERT_TRUE(call(server, request).ok());
    EXPECT_TRUE(server.requests().at(0).has("x-amz-content-sha256: " + to_hex(sha256(as_bytes("some content")))));
    EXPECT_NE(server.requests().at(0).head.find("x-amz-content-sha256"), std::string::npos);
}

TEST_F(S3AnswersTest, ARegionThatIsNoneIsNotLearnt) {
    int asked = 0;
    FakeHttpServer server([&](const FakeRequest&) -> FakeAnswer {
        ++asked;
        return {400, "", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>a&#13;&#10;X: y</Region></Error>"};
    });
    EXPECT_FALSE(call(server, S3Request{}).ok());
    EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace holdfast
