#include "backup/event_check.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Verdict = EventCheck::Verdict;

class EventCheckTest : public testing::Test {
  protected:
    Result<Verdict> look_at(SourceEventKind kind, const std::string& name = "") {
        SourceEvent event;
        event.kind = kind;
        event.name = name;
        return check_.look_at(event);
    }
    Verdict enter(const std::string& name) { return look_at(SourceEventKind::enter, name).value(); }
    Verdict leave() { return look_at(SourceEventKind::leave).value(); }
    bool is_refused(const std::string& name) {
        const auto verdict = look_at(SourceEventKind::entry, name);
        return !verdict.ok() && verdict.error().code() == ErrorCode::corrupt;
    }

    EventCheck check_;
};

TEST_F(EventCheckTest, NamesAscendInEachDirectory) {
    EXPECT_EQ(enter(""), Verdict::take);
    EXPECT_FALSE(is_refused("b"));
    EXPECT_TRUE(is_refused("b"));
    EXPECT_TRUE(is_refused("a"));
    EXPECT_EQ(enter("c"), Verdict::take);
    EXPECT_FALSE(is_refused("a"));
    EXPECT_EQ(leave(), Verdict::take);
    EXPECT_TRUE(is_refused("c"));
    EXPECT_FALSE(is_refused("d"));
}

TEST_F(EventCheckTest, WhatIsNoNameIsRefused) {
    EXPECT_EQ(enter(""), Verdict::take);
    for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a\0b", 3),
                                    std::string(4097, 'x')})
        EXPECT_TRUE(is_refused(name));
    EXPECT_EQ(leave(), Verdict::take);
    EXPECT_FALSE(look_at(SourceEventKind::leave).ok());
}

TEST_F(EventCheckTest, WhatIsTooDeepIsPassedOverWithAllThatIsBelow) {
    EXPECT_EQ(enter(""), Verdict::take);
    for (std::size_t depth = 1; depth < max_directory_depth; ++depth) ASSERT_EQ(enter("d"), Verdict::take);
    EXPECT_EQ(enter("d"), Verdict::too_deep);
    EXPECT_EQ(enter("d"), Verdict::below_what_is_too_deep);
    EXPECT_EQ(look_at(SourceEventKind::entry, "d").value(), Verdict::below_what_is_too_deep);
    EXPECT_EQ(leave(), Verdict::below_what_is_too_deep);
    EXPECT_EQ(leave(), Verdict::below_what_is_too_deep);
    EXPECT_FALSE(is_refused("e"));
    for (std::size_t depth = 0; depth < max_directory_depth; ++depth) ASSERT_EQ(leave(), Verdict::take);
}

TEST(XattrsTest, ThoseThatNoManifestHoldsAreTold) {
    EXPECT_TRUE(check_xattrs({}).ok());
    EXPECT_TRUE(check_xattrs({{"a", {}}, {"b", {}}, {std::string(4096, 'x'), {}}}).ok());
    EXPECT_FALSE(check_xattrs({{std::string(4097, 'x'), {}}}).ok());
    EXPECT_FALSE(check_xattrs({{"", {}}}).ok());
    EXPECT_FALSE(check_xattrs({{"b", {}}, {"a", {}}}).ok());
    EXPECT_FALSE(check_xattrs({{"a", {}}, {"a", {}}}).ok());
}

}  // namespace
}  // namespace holdfast
