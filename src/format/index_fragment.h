// A piece of the index: which chunks are where. docs/format.md#index-fragments.
#pragma once

#include <optional>

#include "base/result.h"
#include "format/envelope.h"

namespace holdfast {

// An object that holds chunks, and all that is needed to read a chunk of it by one ranged read.
struct Container {
    EnvelopeHeader header;          // kind, cipher, epoch, object id, key block
    SessionId session{};            // packs: part of the name
    SourceId source{};              // restore points: part of the name
    std::uint64_t inverted_time = 0;  // restore points: part of the name
    std::uint64_t object_bytes = 0;
    bool operator==(const Container&) const = default;
};

// The name below which a container is stored.
std::string container_name(const Container& container);

struct ChunkLocation : StoredChunk {
    std::uint32_t container = 0;    // number in the fragment's list
    std::uint32_t first_frame = 0;
    std::uint64_t offset = 0;       // of the first frame, from the object's start
    bool operator==(const ChunkLocation&) const = default;
};

// Another object whose knowledge this fragment contains: once this one is stored, that one need not
// be read for the index (a fragment may be deleted; a point stays, for it is a container).
struct FoldedPoint {
    SourceId source{};
    std::uint64_t inverted_time = 0;
    RestorePointId id{};
    std::uint64_t object_bytes = 0;
    Bytes record;  // the second copy of the point's root record
    bool operator==(const FoldedPoint&) const = default;
};

struct IndexFragmentRecord {
    std::uint8_t tier = 0;                // 0: written by a backup; n: folded from tier n-1
    std::vector<ObjectId> supersedes;     // fragments folded into this one
    std::vector<FoldedPoint> points;      // points folded into this one
    std::vector<Container> containers;
    std::vector<ChunkLocation> chunks;    // in order: see sort_chunks
    bool operator==(const IndexFragmentRecord&) const = default;
};

// index/<tier>-<id>
struct FragmentName {
    std::uint8_t tier = 0;
    ObjectId id{};
};
std::string fragment_name(std::uint8_t tier, const ObjectId& id);
std::optional<FragmentName> parse_fragment_name(std::string_view name);

// Brings locations into the order of a fragment, by id, container and frame, and leaves out what stands twice.
// Several places of one chunk stay, within a container too, where thinned copies have different parts: which
// of them lasts is not known here.
void sort_chunks(std::vector<ChunkLocation>& chunks);

// `chunks` must be in order and name existing containers.
Bytes encode_index_fragment(const IndexFragmentRecord& record);
Result<IndexFragmentRecord> decode_index_fragment(ByteSpan data);

// What an object's own table says, as a fragment would. `container` becomes number `number`.
std::vector<ChunkLocation> locations_of(const ObjectTable& table,
                                        const EnvelopeHeader& header,
                                        std::uint32_t number);

}  // namespace holdfast
