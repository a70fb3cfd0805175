// Names of things, each a type of its own so that one cannot be passed for another.
#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/random.h"

namespace holdfast {

template <typename Tag, std::size_t N>
struct Id {
    static constexpr std::size_t size = N;
    std::array<std::uint8_t, N> bytes{};

    auto operator<=>(const Id&) const = default;
    std::string hex() const { return to_hex(bytes); }
    static std::optional<Id> from_hex(std::string_view text) {
        const Bytes parsed = holdfast::from_hex(text);
        if (parsed.size() != N) return std::nullopt;
        Id id;
        std::copy(parsed.begin(), parsed.end(), id.bytes.begin());
        return id;
    }
    static Id random(Random& random) { return {random.array<N>()}; }
    // Ids are uniformly random or hashes: any eight bytes make a hash.
    std::uint64_t prefix64() const {
        std::uint64_t value;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }
};

using RepositoryId = Id<struct RepositoryTag, 16>;
using ObjectId = Id<struct ObjectTag, 16>;
// A restore point's id is the id of the object that holds its root record.
using RestorePointId = ObjectId;
using KeySlotId = Id<struct KeySlotTag, 16>;
using SessionId = Id<struct SessionTag, 8>;
// Keyed hash of (host, name): groups an identity's points without telling the storage which it is.
using SourceId = Id<struct SourceTag, 8>;
using ChunkId = Id<struct ChunkTag, 32>;

template <typename T>
struct IdHash {
    std::size_t operator()(const T& id) const { return static_cast<std::size_t>(id.prefix64()); }
};

}  // namespace holdfast
