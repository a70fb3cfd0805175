// What reads contents has at hand.
#pragma once

#include <stop_token>

#include "backup/chunk_sink.h"
#include "backup/chunkers.h"
#include "base/progress.h"
#include "repository/member_cache.h"

namespace holdfast {

// Whether pages that seem unchanged are trusted to be.
enum class PageTrust { fingerprints, contents };

// What the readers of one backup share. Thread-safe.
struct ContentContext {
    Repository& repository;
    ChunkSink& sink;
    const Chunkers& chunkers;
    MemberCache& members;
    Progress& progress;
    PageTrust page_trust = PageTrust::fingerprints;
    std::stop_token stop{};  // reading ends with `cancelled` when it asks for it

    // Where a member of so many bytes is stored already, in a chunk that exists.
    std::optional<MemberPlace> place_of(const Digest& member, std::size_t bytes) const {
        const auto place = members.find(member);
        const bool is_stored =
            place && place->bytes == bytes &&
            sink.session().contains(place->chunk, {place->offset, place->bytes});
        return is_stored ? place : std::nullopt;
    }
};

}  // namespace holdfast
