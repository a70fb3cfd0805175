#include "policy/source_state.h"

namespace holdfast {

std::string_view source_state_name(SourceState state) {
    switch (state) {
        case SourceState::unknown: return "unknown";
        case SourceState::done: return "done";
        case SourceState::incomplete: return "incomplete";
        case SourceState::failed: return "failed";
    }
    return "unknown";
}

SourceState source_state_from_name(std::string_view name) {
    for (const SourceState state : {SourceState::done, SourceState::incomplete, SourceState::failed})
        if (source_state_name(state) == name) return state;
    return SourceState::unknown;
}

std::string_view state_event_name(StateEvent event) {
    switch (event) {
        case StateEvent::failure: return "failure";
        case StateEvent::incomplete: return "incomplete";
        case StateEvent::recovery: return "recovery";
    }
    return "failure";
}

std::optional<StateEvent> event_of(const NotifyOn& on, SourceState before, SourceState after) {
    const auto seen = [&on](SourceState state) {
        return state == SourceState::incomplete && !on.incomplete ? SourceState::done : state;
    };
    const SourceState from = seen(before), to = seen(after);
    if (from == to || to == SourceState::unknown) return std::nullopt;
    if (to == SourceState::failed) return on.failure ? std::optional(StateEvent::failure) : std::nullopt;
    if (to == SourceState::incomplete) return StateEvent::incomplete;
    if (from == SourceState::unknown || !on.recovery) return std::nullopt;
    return StateEvent::recovery;
}

}  // namespace holdfast
