// The next version of a file of pages: only changed pages are stored. docs/format.md#pages.
#pragma once

#include <list>

#include "backup/file_content.h"

namespace holdfast {

// Compares a file with its previous version, page by page, and packs what changed into chunks of up
// to 1 MiB. For one file.
class PageDiff {
  public:
    static constexpr std::size_t page_chunk_bytes = 1u << 20;

    PageDiff(const ContentContext& context,
             SourceFile& file,
             std::uint32_t page_bytes,
             ExtentBuilder& extents);

    // Compares the file's bytes from where the last call ended with what `run` of the previous
    // version says. Errors: conflict when the file ends early; corrupt.
    Status compare(const Run& run);
    // What lies after the previous version's end: all new.
    Status add_new(std::uint64_t bytes);
    Status finish();
    std::uint64_t position() const { return position_; }

  private:
    // Fingerprints of a chunk's pages; without any, every page counts as changed.
    Result<std::shared_ptr<const PageFingerprints>> fingerprints(const ChunkId& chunk);
    Result<bool> is_unchanged(const Run& run,
                              std::uint64_t offset_in_run,
                              ByteSpan page,
                              const Digest& hash,
                              const PageFingerprints* known);
    Result<bool> equals_stored(const Run& run, std::uint64_t offset_in_run, ByteSpan page);
    Status add_page(ByteSpan page, const Digest& hash);
    Status add_run(const Run& run);
    Status flush_pages();
    Status compare_window(const Run* run, std::uint64_t offset_in_run, std::uint64_t bytes);

    ContentContext context_;
    SourceFile& file_;
    const std::uint32_t page_bytes_;
    ExtentBuilder& extents_;
    std::uint64_t position_ = 0;
    Bytes window_;
    std::vector<Digest> hashes_;

    Bytes pages_;
    std::vector<Digest> page_hashes_;
    // Runs that wait for the id of the chunk that pages_ will be: at most two for each of its pages.
    // Those of pages_ have a zero chunk id.
    std::vector<Run> waiting_;

    // The last chunks' fingerprints: unchanged runs alternate between few chunks.
    std::list<std::pair<ChunkId, std::shared_ptr<const PageFingerprints>>> known_;
    // The last chunks' contents, for PageTrust::contents only.
    std::list<std::pair<ChunkId, ChunkContent>> contents_;
};

}  // namespace holdfast
