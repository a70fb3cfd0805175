// The state of a source, and who is told that it has changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast {

enum class SourceState : std::uint8_t {
    unknown,     // it never ran
    done,
    incomplete,  // a restore point was made, but something could not be read
    failed,
};
std::string_view source_state_name(SourceState state);
// "unknown" for any other text.
SourceState source_state_from_name(std::string_view name);

enum class StateEvent : std::uint8_t { failure, incomplete, recovery };
std::string_view state_event_name(StateEvent event);

// Which changes somebody wants to be told.
struct NotifyOn {
    bool failure = true, incomplete = false, recovery = true;
};

// What is told to somebody who was told of `before` at last. Who does not want to know of `incomplete` takes it for
// `done`. A source that was never seen and is well is no news. Pure.
std::optional<StateEvent> event_of(const NotifyOn& on, SourceState before, SourceState after);

}  // namespace holdfast
