#include "repository/near_chunks.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace holdfast {
namespace {

// What is read with one request of a container.
struct Stretch {
    std::uint64_t begin = 0, end = 0;
    // Whether a chunk from there to there is read with it.
    bool takes(std::uint64_t chunk_begin, std::uint64_t chunk_end) const {
        return chunk_begin <= end + max_gap_bytes && chunk_end - begin <= max_span_bytes;
    }
};

// Nothing: ChunkReader looks further.
using Place = std::optional<LocatedChunk>;

std::vector<Place> places_of(const Index& index, std::span<const WantedChunk> wanted) {
    std::vector<Place> places;
    places.reserve(wanted.size());
    for (const WantedChunk& chunk : wanted) {
        auto located = index.locate(chunk.id, chunk.part);
        Place& place = places.emplace_back();
        if (located.ok() && located->location.purpose == ChunkPurpose::data) place = std::move(located).value();
    }
    return places;
}

std::uint64_t end_of(const ChunkLocation& location) {
    return location.offset + location.stored_bytes();
}

// How many of the chunks, from the first on, are read with one request.
std::size_t span_length(std::span<const Place> places) {
    if (!places[0]) return 1;
    Stretch read{places[0]->location.offset, end_of(places[0]->location)};
    std::size_t count = 1;
    for (; count < places.size() && places[count]; ++count) {
        const LocatedChunk& next = *places[count];
        const bool is_near = next.container.header.object == places[0]->container.header.object &&
                             next.location.offset >= read.end && read.takes(next.location.offset, end_of(next.location));
        if (!is_near) break;
        read.end = end_of(next.location);
    }
    return count;
}

}  // namespace

std::vector<PlacedChunk> order_by_place(std::span<const WantedChunk> wanted, const Index& index) {
    struct Key {
        std::uint64_t container, offset, end;
        std::size_t number;
    };
    std::vector<Key> keys;
    keys.reserve(wanted.size());
    std::map<ObjectId, std::uint64_t> containers;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        Key key{UINT64_MAX, 0, 0, i};
        const auto located = index.locate(wanted[i].id, wanted[i].part);
        if (located.ok()) {
            key.container = containers.try_emplace(located->container.header.object, containers.size()).first->second;
            key.offset = located->location.offset;
            key.end = end_of(located->location);
        }
        keys.push_back(key);
    }
    std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
        return std::tie(a.container, a.offset, a.number) < std::tie(b.container, b.offset, b.number);
    });
    std::vector<PlacedChunk> placed;
    placed.reserve(keys.size());
    Stretch read;
    std::uint64_t container = UINT64_MAX;  // what has no place is read by itself
    for (const Key& key : keys) {
        const bool is_near = key.container != UINT64_MAX && key.container == container && read.takes(key.offset, key.end);
        read = is_near ? Stretch{read.begin, std::max(read.end, key.end)} : Stretch{key.offset, key.end};
        container = key.container;
        placed.push_back({key.number, !is_near});
    }
    return placed;
}

void read_near_chunks(ChunkReader& chunks,
                      const Index& index,
                      std::span<const WantedChunk> wanted,
                      const TakeChunk& take) {
    const std::vector<Place> places = places_of(index, wanted);
    // By itself: other places, parity and later fragments are looked at.
    const auto take_alone = [&](std::size_t i) {
        take(i, nullptr, chunks.read_part(wanted[i].id, ChunkPurpose::data, wanted[i].part));
    };
    for (std::size_t begin = 0; begin < places.size();) {
        const std::size_t count = span_length(std::span(places).subspan(begin));
        if (count == 1) {
            take_alone(begin++);
            continue;
        }
        std::vector<LocatedChunk> span;
        span.reserve(count);
        for (std::size_t i = begin; i < begin + count; ++i) span.push_back(*places[i]);
        chunks.read_span(span, [&](std::size_t i, Result<ByteSpan> stored) {
            // Nothing else will do: parity and other places are for damage.
            if (!stored.ok() && stored.error().code() == ErrorCode::frozen) return take(begin + i, nullptr, stored.error());
            auto content = stored.ok() ? chunks.decode(span[i], *stored) : Result<ChunkContent>(stored.error());
            if (!content.ok()) return take_alone(begin + i);
            const ReadFrom from{span[i], *stored};
            take(begin + i, &from, std::move(content));
        });
        begin += count;
    }
}

}  // namespace holdfast
