// Look-ups: in one fragment, in the directory of many, and through a repository that is opened again.
#include "repository/index.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "base/file_io.h"
#include "repository/leases.h"
#include "repository/repository.h"
#include "storage/memory/memory_storage.h"
#include "support/hooked_storage.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

ChunkId random_id(std::mt19937_64& random) {
    ChunkId id;
    for (std::uint8_t& byte : id.bytes) byte = static_cast<std::uint8_t>(random());
    return id;
}

// `count` chunks in one container of its own.
IndexFragmentRecord random_fragment(std::mt19937_64& random, std::size_t count) {
    IndexFragmentRecord record;
    Container pack;
    pack.header.kind = ObjectKind::data_pack;
    pack.header.key_mode = KeyMode::symmetric;
    pack.header.key_block.resize(32);
    for (std::uint8_t& byte : pack.header.object.bytes) byte = static_cast<std::uint8_t>(random());
    pack.object_bytes = 1u << 26;
    record.containers = {pack};
    for (std::size_t i = 0; i < count; ++i) {
        ChunkLocation chunk;
        chunk.id = random_id(random);
        chunk.raw_bytes = 1000;
        chunk.frame_bytes = {100};
        chunk.offset = 100 * i;
        record.chunks.push_back(chunk);
    }
    sort_chunks(record.chunks);
    return record;
}

std::shared_ptr<const FlatFragment> flat(const IndexFragmentRecord& record) {
    return FlatFragment::from_memory(FlatFragment::layout(record)).value();
}

TEST(UniformSearchTest, FindsWhatABinarySearchFinds) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::uint64_t> keys(random() % 2000);
        // Uniform, crowded at an end, or all but equal.
        const unsigned shift = round % 3 == 0 ? 0 : random() % 64;
        const std::uint64_t base = round % 3 == 2 ? UINT64_MAX << 1 >> shift : 0;
        for (std::uint64_t& key : keys) key = base | random() >> shift;
        std::sort(keys.begin(), keys.end());
        for (int i = 0; i < 200; ++i) {
            const std::uint64_t wanted = !keys.empty() && i % 2 == 0
                                             ? keys[random() % keys.size()] + random() % 3 - 1
                                             : random() >> random() % 64;
            const auto expected = std::lower_bound(keys.begin(), keys.end(), wanted) - keys.begin();
            ASSERT_EQ(first_not_below(wanted, keys.size(), [&](std::size_t k) { return keys[k]; }),
                      static_cast<std::size_t>(expected));
        }
    }
}

TEST(ChunkDirectoryTest, HasEveryPlaceOfEveryChunk) {
    std::mt19937_64 random(2);
    const TemporaryDirectory directory;
    std::vector<IndexFragmentRecord> records;
    std::vector<ChunkDirectory::Covered> covered;
    for (const std::size_t count : {1000u, 0u, 1u, 3000u}) {
        records.push_back(random_fragment(random, count));
        // Some stand in two fragments.
        if (count == 3000) records[3].chunks[7].id = records[0].chunks[9].id;
        sort_chunks(records.back().chunks);
        covered.push_back({ObjectId{}, flat(records.back())});
    }
    const std::string path = directory.path() + "/directory";
    ASSERT_TRUE(ChunkDirectory::build(path, covered).ok());
    const auto made = ChunkDirectory::open(path).value();
    ASSERT_EQ(made->chunk_count(), 4001u);
    for (std::uint32_t number = 0; number < records.size(); ++number)
        for (std::uint32_t i = 0; i < records[number].chunks.size(); ++i) {
            bool found = false;
            made->find(records[number].chunks[i].id, [&](const ChunkDirectory::Place& place) {
                found = found || (place.fragment == number && place.chunk == i);
                return true;
            });
            ASSERT_TRUE(found);
        }
    made->find(random_id(random), [](const ChunkDirectory::Place&) -> bool {
        ADD_FAILURE();
        return false;
    });
}

TEST(ChunkDirectoryTest, ATornFileIsRefused) {
    std::mt19937_64 random(3);
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/directory";
    EXPECT_EQ(ChunkDirectory::open(path).error().code(), ErrorCode::not_found);
    const ChunkDirectory::Covered one{ObjectId{}, flat(random_fragment(random, 10))};
    ASSERT_TRUE(ChunkDirectory::build(path, {&one, 1}).ok());
    const Bytes whole = read_file(path, 1 << 20).value();
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        ASSERT_TRUE(replace_file(path, ByteSpan(whole).first(bytes), 0600).ok());
        EXPECT_FALSE(ChunkDirectory::open(path).ok());
    }
}

TEST(IndexTest, WhatNoFragmentNamesCanBeReadAndIsNotReliedUpon) {
    std::mt19937_64 random(5);
    IndexFragmentRecord record = random_fragment(random, 1);
    const ChunkId id = record.chunks[0].id;
    const ObjectId named = record.containers[0].header.object;
    Index index;
    IndexFragmentRecord found = random_fragment(random, 1);
    found.chunks[0].id = id;
    index.add(flat(found), Index::Origin::pack_tables);
    EXPECT_FALSE(index.contains(id));
    EXPECT_FALSE(index.locate(id).value().is_named);
    index.add(flat(record));
    EXPECT_TRUE(index.contains(id));
    EXPECT_TRUE(index.locate(id).value().is_named);
    // What a pruner may delete is there until it does; what no fragment names may never have been stored.
    index.condemn(named);
    EXPECT_FALSE(index.contains(id));
    EXPECT_EQ(index.locate(id).value().container.header.object, named);
}

// Whatever fragments are passed over, the place is the best one, and what is reliable is contained.
TEST(IndexTest, AllPlacesOfAChunkAreComparedThatMayBeBetter) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 500; ++round) {
        Index index;
        const ChunkId id = random_id(random);
        int best = 1000;
        std::set<ObjectId> best_objects;
        for (std::size_t i = 0; i < 6; ++i) {
            IndexFragmentRecord record = random_fragment(random, 3);
            Container& container = record.containers[0];
            const bool is_ordered = random() % 4 == 0, is_named = random() % 4 != 0, is_condemned = random() % 4 == 0;
            if (is_ordered) container.header.optional_features = EnvelopeHeader::in_order_feature;
            const bool has = random() % 3 == 0;
            if (has) record.chunks[0].id = id;
            sort_chunks(record.chunks);
            index.add(flat(record), is_named ? Index::Origin::fragment : Index::Origin::pack_tables);
            if (is_condemned) index.condemn(container.header.object);
            const int rank = (is_named ? 0 : 100) + (is_condemned ? 10 : 0) + (is_ordered ? 0 : 1);
            if (!has || rank > best) continue;
            if (rank < best) best_objects.clear();
            best = rank;
            best_objects.insert(container.header.object);
        }
        EXPECT_EQ(index.contains(id), best < 10);
        const auto located = index.locate(id);
        ASSERT_EQ(located.ok(), best < 1000);
        if (located.ok()) {
            EXPECT_TRUE(best_objects.contains(located->container.header.object));
        }
    }
}

// A repository with one fragment, into whose place another process puts the same under another name, when it is
// read first.
class ReplacedFragment : public testing::Test {
  protected:
    ReplacedFragment() {
        auto storage = hooked([](std::string_view, const std::string&) { return ok_status(); });
        unlock_.key_file =
            Repository::init(*storage, nullptr, std::nullopt, Repository::keep_nothing, system_clock(), system_random())
                .value()
                .key_file;
        other_ = open(std::move(storage));
        lease_.emplace(Lease::take(*other_, this_process("host")).value());
        EXPECT_TRUE(other_->store_fragment(record_, *lease_).ok());
        repository_ = open(hooked([this](std::string_view operation, const std::string& name) -> Status {
            if (operation == "list" && name == "data/") ++pack_listings_;
            if (operation == "list" || !name.starts_with("index/") || times_ == 0) return {};
            --times_;
            EXPECT_TRUE(other_->replace_fragment(name, record_, *lease_).ok());
            return {};
        }));
    }
    std::unique_ptr<HookedStorage> hooked(StorageHook hook) {
        return std::make_unique<HookedStorage>(storage_, std::move(hook));
    }
    std::unique_ptr<Repository> open(std::unique_ptr<HookedStorage> storage) {
        return Repository::open(std::move(storage), unlock_, "", system_clock(), system_random()).value();
    }

    std::mt19937_64 random_{6};
    const IndexFragmentRecord record_ = random_fragment(random_, 10);
    std::shared_ptr<MemoryStorage> storage_ = std::make_shared<MemoryStorage>();
    Unlock unlock_;
    int times_ = 0, pack_listings_ = 0;
    std::unique_ptr<Repository> other_, repository_;
    std::optional<Lease> lease_;
};

TEST_F(ReplacedFragment, IsNoGapInTheIndex) {
    times_ = 2;
    Index& index = *repository_->index().value();
    EXPECT_EQ(times_, 0);
    EXPECT_TRUE(index.contains(record_.chunks[0].id));
    EXPECT_EQ(pack_listings_, 0);
}

TEST_F(ReplacedFragment, IsVisitedUnderItsNewName) {
    for (const int times : {1, 2, 3}) {
        times_ = times;
        std::size_t live = 0;
        const Status visited = repository_->for_each_fragment(
            [&](const ObjectInfo&, const FlatFragment& fragment, bool is_superseded) -> Status {
                if (!is_superseded) live += fragment.chunk_count();
                return {};
            });
        EXPECT_TRUE(visited.ok()) << visited.error().describe();
        EXPECT_EQ(times_, 0);
        EXPECT_EQ(live, record_.chunks.size());
    }
}

TEST_F(ReplacedFragment, OneThatCannotBeReadAtAllEndsTheVisit) {
    const auto repository = open(hooked([](std::string_view operation, const std::string& name) -> Status {
        if (operation == "list" || !name.starts_with("index/")) return {};
        return Error(ErrorCode::not_found, name);
    }));
    const auto visit = [](const ObjectInfo&, const FlatFragment&, bool) { return ok_status(); };
    EXPECT_EQ(repository->for_each_fragment(visit).error().code(), ErrorCode::not_found);
    EXPECT_FALSE(repository->index().value()->contains(record_.chunks[0].id));
}

// A repository with so many large fragments that it makes a directory.
class LargeIndex : public testing::Test {
  protected:
    LargeIndex() {
        auto storage = std::make_unique<HookedStorage>(
            storage_, [](std::string_view, const std::string&) { return ok_status(); });
        unlock_.key_file = Repository::init(*storage, nullptr, std::nullopt,
                                            Repository::keep_nothing, system_clock(),
                                            system_random())
                               .value()
                               .key_file;
        const auto repository = open();
        Lease lease = Lease::take(*repository, this_process("host")).value();
        for (int i = 0; i < 10; ++i) {
            records_.push_back(random_fragment(random_, 5000));
            EXPECT_TRUE(repository->store_fragment(records_.back(), lease).ok());
        }
        (void)open()->index().value();
        EXPECT_TRUE(ChunkDirectory::open(path()).ok());
    }

    std::unique_ptr<Repository> open() {
        auto storage = std::make_unique<HookedStorage>(
            storage_, [](std::string_view, const std::string&) { return ok_status(); });
        return Repository::open(std::move(storage), unlock_, directory_.path(), system_clock(),
                                system_random())
            .value();
    }
    std::string path() const { return directory_.path() + cache_of() + "/index/directory"; }
    std::string cache_of() const {
        for (const auto& entry : std::filesystem::directory_iterator(directory_.path()))
            if (entry.is_directory() && entry.path().filename() != "index")
                return '/' + entry.path().filename().string();
        return "";
    }
    void expect_all(Index& index) {
        for (const IndexFragmentRecord& record : records_)
            for (const ChunkLocation& chunk : record.chunks) {
                const auto located = index.locate(chunk.id);
                ASSERT_TRUE(located.ok());
                EXPECT_EQ(located->container.header.object, record.containers[0].header.object);
            }
    }

    std::mt19937_64 random_{4};
    const TemporaryDirectory directory_;
    std::shared_ptr<MemoryStorage> storage_ = std::make_shared<MemoryStorage>();
    Unlock unlock_;
    std::vector<IndexFragmentRecord> records_;
};

TEST_F(LargeIndex, AllChunksAreFoundAndNoOthers) {
    const auto repository = open();
    Index& index = *repository->index().value();
    expect_all(index);
    EXPECT_TRUE(index.contains(records_[3].chunks[5].id));
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(index.contains(random_id(random_)));
}

TEST_F(LargeIndex, AFragmentThatIsGoneIsNotAnsweredFor) {
    std::string gone;
    ASSERT_TRUE(open()
                    ->for_each_fragment([&](const ObjectInfo& info, const FlatFragment& fragment,
                                            bool) -> Status {
                        if (fragment.find(records_[2].chunks[0].id)) gone = info.name;
                        return {};
                    })
                    .ok());
    ASSERT_TRUE(storage_->remove(gone).ok());
    const auto repository = open();
    Index& index = *repository->index().value();
    for (const ChunkLocation& chunk : records_[2].chunks) EXPECT_FALSE(index.contains(chunk.id));
    records_.erase(records_.begin() + 2);
    expect_all(index);
}

TEST_F(LargeIndex, ADirectoryThatLiesHidesNothing) {
    // Every key is zero: nothing is found in it.
    Bytes wrong = read_file(path(), 1u << 30).value();
    std::fill(wrong.begin() + 24 + 10 * 16, wrong.end(), std::uint8_t{0});
    ASSERT_TRUE(replace_file(path(), wrong, 0600).ok());
    const auto repository = open();
    expect_all(*repository->index().value());
}

}  // namespace
}  // namespace holdfast
