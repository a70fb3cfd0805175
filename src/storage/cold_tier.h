// Objects that are kept where they cannot be read at once, but have to be asked for. docs/explanation/cold-tiers.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace holdfast {

// Whether an object can be read.
struct Readability {
    enum class State : std::uint8_t {
        readable,
        frozen,   // it has to be asked for
        thawing,  // it has been
    } state = State::readable;
    // Of one in an archive class that can be read: until then.
    std::optional<TimeNs> until{};

    // Whether it is in an archive class, readable or not.
    bool is_archived() const { return state != State::readable || until; }
    bool operator==(const Readability&) const = default;
};

// The faster, the dearer: minutes, hours, half a day.
enum class ThawSpeed : std::uint8_t { expedited, standard, bulk };

struct ThawRequest {
    ThawSpeed speed = ThawSpeed::standard;
    unsigned days = 7;  // that it can be read for
};

// What a storage has that keeps objects in archive classes. Reads of a frozen object fail with `frozen`. Thread-safe.
class ColdTier {
  public:
    virtual ~ColdTier() = default;
    // Whether anything may be frozen, by what is known without a request.
    virtual bool may_be_frozen() const = 0;
    // The time that `until` goes by: the storage's.
    virtual TimeNs now() const = 0;
    // Tells of each of `names` that is there, in any order; many are asked about at once. Errors: of the storage.
    using Visit = std::function<void(const std::string& name, const Readability& is)>;
    virtual Status look(std::span<const std::string> names, const Visit& visit) = 0;
    // Asks for all of them, many at once. For what has been asked for, and is thawing, no error; what can be read
    // can be read for longer then. Errors: of the storage; frozen for what is not in an archive class.
    virtual Status thaw(std::span<const std::string> names, const ThawRequest& request) = 0;
};

}  // namespace holdfast
