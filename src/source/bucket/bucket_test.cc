#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "base/random.h"
#include "s3/bucket.h"
#include "source/bucket/bucket_source.h"
#include "source/bucket/listed_tree.h"
#include "support/fake_http_server.h"

namespace holdfast {
namespace {

// Keys of few pieces, so that many are the beginnings of others.
rc::Gen<std::set<std::string>> odd_keys() {
    const auto piece = rc::gen::element<std::string>("/", "/", "a", "b", ".", "..", "-", "!", " ", "0", ".s3~", "o", "e",
                                                     std::string("\0", 1), "%", "\xff", std::string(200, 'l'));
    const auto key = rc::gen::map(rc::gen::resize(6, rc::gen::container<std::vector<std::string>>(piece)),
                                  [](const std::vector<std::string>& pieces) {
                                      std::string joined;
                                      for (const std::string& one : pieces) joined += one;
                                      return joined;
                                  });
    return rc::gen::container<std::set<std::string>>(key);
}

std::vector<ListedObject> listed(ListedTree& tree) {
    std::vector<ListedObject> objects;
    ListedObject object;
    while (tree.next(object).value()) objects.push_back(object);
    return objects;
}

// The key of an object, or of the object that it is a version of.
std::string key_of(const ListedObject& object) {
    KeyDirectory directory;
    for (std::size_t i = 0; i + 1 < object.path.size(); ++i) directory = directory_below(directory, object.path[i]);
    return directory.holds_versions ? directory.key : object_below(directory, object.path.back());
}

// Each path comes after the one before in the order of a manifest, and no file is a directory too.
void check_order(const std::vector<ListedObject>& objects) {
    std::set<std::vector<std::string>> directories;
    for (const ListedObject& object : objects)
        for (std::size_t depth = 1; depth < object.path.size(); ++depth)
            directories.emplace(object.path.begin(), object.path.begin() + static_cast<std::ptrdiff_t>(depth));
    for (std::size_t i = 0; i < objects.size(); ++i) {
        // std::string compares bytes as unsigned numbers, and a vector by its first difference.
        if (i > 0) RC_ASSERT(objects[i - 1].path < objects[i].path);
        RC_ASSERT(!directories.contains(objects[i].path));
    }
}

TEST(ListedTreeTest, AnyKeysComeInOrderAndComeBack) {
    rc::check([] {
        const std::set<std::string> keys = *odd_keys();
        ListedTree tree;
        std::uint64_t number = 0;
        for (const std::string& key : keys) RC_ASSERT(tree.add(S3Object{key, ++number, "t", 5}).ok());
        RC_ASSERT(tree.finish().ok());
        const auto objects = listed(tree);
        check_order(objects);
        std::set<std::string> found;
        for (const ListedObject& object : objects) found.insert(key_of(object));
        RC_ASSERT(objects.size() == keys.size());
        RC_ASSERT(found == keys);
    });
}

TEST(ListedTreeTest, AnyVersionsComeInOrderAndComeBack) {
    rc::check([] {
        const std::set<std::string> keys = *odd_keys();
        ListedTree tree;
        std::map<std::string, std::vector<std::string>> expected;  // the newest first
        std::size_t number = 0;
        for (const std::string& key : keys) {
            const std::size_t count = 1 + static_cast<std::size_t>(*rc::gen::inRange(0, 3));
            for (std::size_t i = 0; i < count; ++i) {
                S3Version version;
                version.object = {key, i, "t", *rc::gen::inRange<TimeNs>(0, 3)};
                version.id = std::to_string(++number);
                version.is_latest = i == 0;
                version.is_delete_marker = *rc::gen::inRange(0, 3) == 0;
                const bool is_current = version.is_latest && !version.is_delete_marker;
                expected[key].push_back(is_current ? "" : version.id);
                RC_ASSERT(tree.add(std::move(version)).ok());
            }
        }
        RC_ASSERT(tree.finish().ok());
        const auto objects = listed(tree);
        check_order(objects);
        std::map<std::string, std::vector<std::string>> found;
        for (const ListedObject& object : objects)
            if (!object.version.empty()) found[key_of(object)].insert(found[key_of(object)].begin(), object.version);
        for (const ListedObject& object : objects)
            if (object.version.empty()) found[key_of(object)].insert(found[key_of(object)].begin(), "");
        RC_ASSERT(found == expected);
    });
}

// A bucket of one object, which a test may replace at any request.
class FakeBucket {
  public:
    std::atomic<int> gets{0};
    std::function<void(FakeBucket&)> on_get = [](FakeBucket&) {};
    std::string etag = "one", body;
    bool denies_conditions = false;

    std::unique_ptr<BucketSource> source() {
        const Environment environment = [](const std::string& name) -> std::optional<std::string> {
            return name.starts_with("AWS_ACCESS") || name.starts_with("AWS_SECRET") ? std::optional<std::string>("x")
                                                                                   : std::nullopt;
        };
        S3Location location = parse_s3_location(server_.url() + "/bucket", environment).value();
        return std::make_unique<BucketSource>(
            S3Client::open(std::move(location), {}, environment, system_clock(), system_random()).value());
    }

  private:
    FakeAnswer answer(const FakeRequest& request) {
        const std::string size = std::to_string(body.size());
        if (request.target.find("list-type") != std::string::npos)
            return {200, "",
                    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key><Size>" + size +
                        "</Size><ETag>\"" + etag + "\"</ETag><LastModified>2026-01-02T03:04:05.678Z</LastModified>"
                        "</Contents></ListBucketResult>"};
        if (request.target.find("list-type") == std::string::npos && request.method == "HEAD")
            return {200, "ETag: \"" + etag + "\"\r\n", ""};
        ++gets;
        if (denies_conditions && request.head.find("if-match: ") != std::string::npos) return {412, "", ""};
        on_get(*this);
        const std::size_t at = request.head.find("bytes=");
        const std::size_t from = std::stoul(request.head.substr(at + 6));
        const std::size_t to = std::stoul(request.head.substr(request.head.find('-', at) + 1));
        if (from >= body.size()) return {416, "", ""};
        return {206, "ETag: \"" + etag + "\"\r\nContent-Type: text/x\r\n", body.substr(from, to - from + 1)};
    }

    FakeHttpServer server_{[this](const FakeRequest& request) { return answer(request); }};
};

SourceEvent only_file(BucketSource& source) {
    const auto stream = source.walk().value();
    std::vector<SourceEvent> batch;
    EXPECT_TRUE(stream->next(batch).ok());
    EXPECT_EQ(batch.size(), 3u);
    return batch.at(1);
}

TEST(BucketFileTest, ASmallObjectIsOneRequest) {
    FakeBucket bucket;
    bucket.body = "hello";
    const auto source = bucket.source();
    const SourceEvent event = only_file(*source);
    EXPECT_EQ(event.name, "k");
    EXPECT_EQ(event.metadata.size, 5u);
    EXPECT_EQ(event.metadata.mtime, parse_rfc3339("2026-01-02T03:04:05.678Z").value());
    const auto file = source->open(event).value();
    const auto xattrs = file->xattrs().value();
    ASSERT_EQ(xattrs.size(), 2u);
    EXPECT_EQ(xattrs[0].name, "user.s3.content-type");
    Bytes content(5);
    EXPECT_EQ(file->read(0, content).value(), 5u);
    EXPECT_EQ(as_text(content), "hello");
    EXPECT_FALSE(file->has_changed(event.metadata).value());
    EXPECT_EQ(bucket.gets, 1);
}

TEST(BucketFileTest, AServiceThatDeniesAConditionThatHoldsIsAskedWithout) {
    FakeBucket bucket;
    bucket.body = std::string(5u << 20, 'x');
    bucket.denies_conditions = true;
    const auto source = bucket.source();
    const SourceEvent event = only_file(*source);
    Bytes content(5u << 20);
    EXPECT_EQ(source->open(event).value()->read(0, content).value(), content.size());
    EXPECT_EQ(as_text(content), bucket.body);
    const int before = bucket.gets;
    EXPECT_EQ(source->open(event).value()->read(0, content).value(), content.size());
    EXPECT_EQ(bucket.gets - before, 2);
}

// At each request in turn the object is replaced by another one of another size.
TEST(BucketFileTest, AnObjectThatIsReplacedIsNeverMixed) {
    const std::string before(9u << 20, 'a');
    for (const std::size_t bytes : {1u << 20, 9u << 20, 10u << 20}) {
        for (int moment = 1; moment <= 4; ++moment) {
            FakeBucket bucket;
            bucket.body = before;
            bucket.on_get = [moment, bytes](FakeBucket& self) {
                if (self.gets != moment) return;
                self.body.assign(bytes, 'b');
                self.etag = "two";
            };
            const auto source = bucket.source();
            const SourceEvent event = only_file(*source);
            const auto file = source->open(event).value();
            Bytes content(9u << 20);
            const auto count = file->read(0, content);
            if (moment == 4) {
                EXPECT_EQ(count.value(), content.size());
                EXPECT_EQ(as_text(content), before);
                continue;
            }
            EXPECT_EQ(count.error().code(), ErrorCode::conflict);
            // Read again: the other one.
            const Metadata now = file->metadata().value();
            EXPECT_EQ(now.size, bytes);
            EXPECT_NE(now.inode, event.metadata.inode);
            content.assign(bytes, 0);
            EXPECT_EQ(file->read(0, content).value(), bytes);
            EXPECT_EQ(as_text(content), std::string(bytes, 'b'));
        }
    }
}

}  // namespace
}  // namespace holdfast
