#include "policy/source_state.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(SourceState, EventOfEveryChange) {
    using S = SourceState;
    using E = std::optional<StateEvent>;
    const NotifyOn usual, everything{true, true, true}, failures{true, false, false};
    const struct {
        S before, after;
        E usual, everything, failures;
    } cases[] = {
        {S::unknown, S::done, {}, {}, {}},
        {S::unknown, S::incomplete, {}, StateEvent::incomplete, {}},
        {S::unknown, S::failed, StateEvent::failure, StateEvent::failure, StateEvent::failure},
        {S::done, S::done, {}, {}, {}},
        {S::done, S::incomplete, {}, StateEvent::incomplete, {}},
        {S::done, S::failed, StateEvent::failure, StateEvent::failure, StateEvent::failure},
        {S::incomplete, S::done, {}, StateEvent::recovery, {}},
        {S::incomplete, S::incomplete, {}, {}, {}},
        {S::incomplete, S::failed, StateEvent::failure, StateEvent::failure, StateEvent::failure},
        {S::failed, S::done, StateEvent::recovery, StateEvent::recovery, {}},
        {S::failed, S::incomplete, StateEvent::recovery, StateEvent::incomplete, {}},
        {S::failed, S::failed, {}, {}, {}}};
    for (const auto& one : cases) {
        EXPECT_EQ(event_of(usual, one.before, one.after), one.usual);
        EXPECT_EQ(event_of(everything, one.before, one.after), one.everything);
        EXPECT_EQ(event_of(failures, one.before, one.after), one.failures);
    }
}

TEST(SourceState, NamesGoThereAndBack) {
    for (const SourceState state :
         {SourceState::unknown, SourceState::done, SourceState::incomplete, SourceState::failed})
        EXPECT_EQ(source_state_from_name(source_state_name(state)), state);
    EXPECT_EQ(source_state_from_name("else"), SourceState::unknown);
}

}  // namespace
}  // namespace holdfast
