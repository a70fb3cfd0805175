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
};

}  // namespace holdfast
