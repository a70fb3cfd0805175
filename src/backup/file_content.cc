#include "backup/file_content.h"

#include <algorithm>

#include "backup/page_detection.h"
#include "backup/page_diff.h"
#include "repository/tree_reader.h"

namespace holdfast {
namespace {

constexpr std::size_t buffer_bytes = 4u << 20;

// Holes that a previous version did not have, or has no longer, are rare: a sparse file is read as
// its extents say, and only a dense one is compared with its previous version.
bool is_dense(const std::vector<SourceExtent>& extents) {
    return extents.size() == 1 && !extents[0].is_hole;
}

bool has_runs(const Entry* entry) {
    return entry != nullptr && entry->metadata.type == EntryType::file &&
           (std::holds_alternative<RunContent>(entry->content) ||
            std::holds_alternative<ExtentTree>(entry->content));
}

}  // namespace

bool is_all_zero(ByteSpan data) {
    if (data.empty()) return true;
    if (data[0] != 0) return false;
    // A string of equal bytes equals itself moved by one.
    return std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}

FileContentReader::FileContentReader(const ContentContext& context)
    : context_(context), chunks_(context), nodes_(context.sink.session(), context.sink.keyring()) {}

Status FileContentReader::fill(SourceFile& file, std::uint64_t offset, MutableByteSpan out) {
    if (context_.stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    HF_TRY(const std::size_t count, file.read(offset, out));
    context_.progress.read_bytes += count;
    context_.progress.bytes += count;
    if (count != out.size()) return Error(ErrorCode::conflict, "the file became shorter");
    return {};
}

Result<Content> FileContentReader::read(SourceFile& file,
                                        std::string_view name,
                                        std::uint64_t bytes,
                                        const Entry* previous) {
    buffer_.resize(buffer_bytes);
    HF_TRY(const auto stretches, file.extents(bytes));
    std::uint32_t page_bytes = 0;
    if (bytes >= page_detection_min_bytes && bytes % 4096 == 0) {
        const MutableByteSpan start = MutableByteSpan(buffer_).first(
            static_cast<std::size_t>(std::min<std::uint64_t>(bytes, page_detection_bytes)));
        HF_TRY(const std::size_t count, file.read(0, start));
        page_bytes = page_bytes_of(name, bytes, start.first(count));
    }
    ExtentBuilder extents(nodes_);
    if (page_bytes != 0 && has_runs(previous) && is_dense(stretches)) {
        PageDiff diff(context_, file, page_bytes, extents);
        HF_TRY(ChunkReader* const chunks, context_.repository.chunks());
        bool whole_pages = true;
        HF_TRY_STATUS(for_each_run(*chunks, *previous, [&](Run run) -> Status {
            // From a run on that does not end with a page (the file grew, or had another page
            // size), the grids differ: all that follows counts as new.
            if (!whole_pages) return {};
            run.bytes = std::min(run.bytes, bytes - diff.position());
            whole_pages = run.bytes % page_bytes == 0;
            run.bytes -= run.bytes % page_bytes;
            return diff.compare(run);
        }));
        HF_TRY_STATUS(diff.add_new(bytes - diff.position()));
        HF_TRY_STATUS(diff.finish());
        return extents.finish();
    }
    for (const SourceExtent& stretch : stretches) {
        if (stretch.is_hole) {
            context_.progress.bytes += stretch.bytes;
            HF_TRY_STATUS(extents.add({RunKind::hole, {}, 0, stretch.bytes}));
        } else {
            HF_TRY_STATUS(add_chunked(file, stretch, page_bytes, extents));
        }
        HF_TRY_STATUS(context_.sink.status());
    }
    return extents.finish();
}

Status FileContentReader::add_chunked(SourceFile& file,
                                      const SourceExtent& extent,
                                      std::uint32_t page_bytes,
                                      ExtentBuilder& extents) {
    const Chunker& chunker = page_bytes == 0 ? context_.chunkers.contents : context_.chunkers.pages;
    const std::size_t max_cut = chunker.parameters().max_bytes;
    std::uint64_t read_to = extent.offset;
    const std::uint64_t end = extent.offset + extent.bytes;
    std::size_t begin = 0, filled = 0;
    while (read_to < end || begin < filled) {
        if (filled - begin < max_cut && read_to < end) {
            std::memmove(buffer_.data(), buffer_.data() + begin, filled - begin);
            filled -= begin;
            begin = 0;
            const std::size_t part =
                static_cast<std::size_t>(std::min<std::uint64_t>(end - read_to, buffer_.size() - filled));
            HF_TRY_STATUS(fill(file, read_to, MutableByteSpan(buffer_).subspan(filled, part)));
            filled += part;
            read_to += part;
        }
        const ByteSpan available = ByteSpan(buffer_).subspan(begin, filled - begin);
        std::size_t cut = chunker.next_cut(available.first(std::min(available.size(), max_cut)));
        // Chunks of pages hold whole pages.
        if (page_bytes != 0)
            cut = std::min(available.size(), (cut + page_bytes - 1) / page_bytes * page_bytes);
        HF_TRY_STATUS(add_chunk(available.first(cut), page_bytes, extents));
        begin += cut;
    }
    return {};
}

Result<Content> FileContentReader::read_stream(SourceFile& file, std::uint64_t& bytes) {
    buffer_.resize(buffer_bytes);
    const std::size_t max_cut = context_.repository.config().chunk_sizes.max_bytes;
    ExtentBuilder extents(nodes_);
    std::size_t begin = 0, filled = 0;
    bool ended = false;
    bytes = 0;
    while (!ended || begin < filled) {
        if (context_.stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        if (!ended && filled - begin < max_cut) {
            std::memmove(buffer_.data(), buffer_.data() + begin, filled - begin);
            filled -= begin;
            begin = 0;
            const MutableByteSpan space = MutableByteSpan(buffer_).subspan(filled);
            HF_TRY(const std::size_t count, file.read(bytes, space));
            ended = count < space.size();
            filled += count;
            bytes += count;
            context_.progress.read_bytes += count;
            context_.progress.bytes += count;
            continue;
        }
        const ByteSpan available = ByteSpan(buffer_).subspan(begin, filled - begin);
        const std::size_t cut =
            context_.chunkers.contents.next_cut(available.first(std::min(available.size(), max_cut)));
        HF_TRY_STATUS(add_chunk(available.first(cut), 0, extents));
        HF_TRY_STATUS(context_.sink.status());
        begin += cut;
    }
    return extents.finish();
}

Status FileContentReader::add_chunk(ByteSpan chunk,
                                    std::uint32_t page_bytes,
                                    ExtentBuilder& extents) {
    if (is_all_zero(chunk)) return extents.add({RunKind::zeros, {}, 0, chunk.size()});
    // What is less than a page is a piece like any other.
    if (page_bytes == 0 || chunk.size() < page_bytes) return chunks_.add(chunk, extents);
    return extents.add(
        {RunKind::data, context_.sink.put_paged(chunk, page_bytes), 0, chunk.size()});
}

}  // namespace holdfast
