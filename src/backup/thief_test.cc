// Somebody who may list, read and add objects, and remove none: what he adds under names that are not its own takes nothing away.
#include <gtest/gtest.h>

#include "repository/prune.h"
#include "support/prune_race.h"

namespace holdfast {
namespace {

class ThiefTest : public testing::Test {
  protected:
    void back_up() {
        ModelSource source(tree_);
        expected_.emplace(test_.backup(source, BackupType::incremental).point, tree_);
        gardener_.change(tree_, 15);
    }
    std::vector<std::string> names(const std::string& folder) {
        std::vector<std::string> found;
        const auto objects = list_objects(*test_.storage, folder).value();
        for (const ObjectInfo& info : objects) found.push_back(info.name);
        return found;
    }
    void add(const std::string& name, ByteSpan data) {
        const Status put = test_.storage->put(name, data, Durability::none);
        EXPECT_TRUE(put.ok() || put.error().code() == ErrorCode::already_exists);
    }
    Bytes read(const std::string& name) { return test_.storage->get(name, 64u << 20).value(); }
    // A name for the point: of another time, or another source.
    std::string false_name(const std::string& point) {
        PointName name = *parse_point_name(point);
        if (dice_() % 3 == 0) name.source.bytes[0] ^= 1;
        name.inverted_time += dice_() % 2 == 0 ? 1 : ~std::uint64_t{0};
        return point_name(name);
    }
    void add_false_points() {
        for (const std::string& name : names("points/"))
            if (dice_() % 2 == 0) add(false_name(name), dice_() % 2 == 0 ? Bytes() : read(name));
    }
    void add_false_fragments() {
        for (const std::string& name : names("index/")) {
            const FragmentName parts = *parse_fragment_name(name);
            const bool has_other_tier = dice_() % 2 == 0;
            add(fragment_name(static_cast<std::uint8_t>(has_other_tier ? (parts.tier + 1 + dice_() % 8) % 10 : parts.tier),
                              has_other_tier ? parts.id : ObjectId::random(test_.random)),
                read(name));
        }
    }

    std::mt19937_64 dice_{static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed())};
    Gardener gardener_{dice_(), 200};
    ModelNode tree_ = gardener_.plant();
    TestRepository test_{"", dice_()};
    Expected expected_;
};

TEST_F(ThiefTest, FalsePointsAreNoPoints) {
    for (int i = 0; i < 20; ++i) back_up();
    add_false_points();
    for (int i = 0; i < 3; ++i) back_up();
    add_false_points();
    test_.open();
    EXPECT_EQ(test_.repository->points(std::nullopt)->size(), expected_.size());
    EXPECT_EQ(wrong_point(test_, expected_), "");
    // One of them has a sound one's id: what is chosen by the id, or kept by its time, is the sound one.
    remove_one(test_, expected_, dice_());
    const auto pruned = try_prune(test_, {});
    ASSERT_TRUE(pruned.ok()) << pruned.error().describe();
    test_.open();
    // The object of the removed point may stay for the content that it has.
    std::set<RestorePointId> ids;
    for (const std::string& name : names("points/")) EXPECT_TRUE(ids.insert(parse_point_name(name)->id).second) << name;
    EXPECT_EQ(wrong_with(test_, expected_), "");
}

TEST_F(ThiefTest, FragmentsOfOtherTiersNameNothing) {
    for (int i = 0; i < 20; ++i) {
        back_up();
        if (i % 4 == 0) add_false_fragments();
        if (i % 5 == 4) {
            remove_one(test_, expected_, dice_());
            PruneOptions options;
            options.max_dead_percent = 0;
            prune(test_, options);
        }
        if (i % 3 == 0) test_.open();
        ASSERT_EQ(wrong_point(test_, expected_), "") << i;
    }
    add_false_fragments();
    EXPECT_GT(test_.check().problem_count, 0u);
    prune(test_);
    EXPECT_EQ(wrong_with(test_, expected_), "");
}

TEST_F(ThiefTest, FencesThatNoPrunerHasMadeHideNothing) {
    for (int i = 0; i < 6; ++i) back_up();
    const auto points = test_.repository->points(std::nullopt).value();
    for (const PointInfo& point : points) {
        add("fences/" + point.record.session.hex(), Bytes());
        if (dice_() % 2 == 0) add("fences/" + SessionId::random(test_.random).hex(), read("config"));
    }
    test_.open();
    const auto now = test_.repository->points(std::nullopt).value();
    EXPECT_EQ(now.size(), expected_.size());
    for (const PointInfo& point : now) EXPECT_FALSE(point.is_unverified);
    prune(test_);
    EXPECT_EQ(wrong_point(test_, expected_), "");
}

}  // namespace
}  // namespace holdfast
