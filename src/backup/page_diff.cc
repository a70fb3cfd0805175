#include "backup/page_diff.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::size_t window_bytes = 1u << 20;
constexpr std::size_t remembered_fingerprints = 64;  // of at most 4 KiB each
constexpr std::size_t remembered_contents = 4;       // of at most 2 MiB each

}  // namespace

PageDiff::PageDiff(const ContentContext& context,
                   SourceFile& file,
                   std::uint32_t page_bytes,
                   ExtentBuilder& extents)
    : context_(context), file_(file), page_bytes_(page_bytes), extents_(extents) {
    window_.resize(window_bytes);
}

Result<std::shared_ptr<const PageFingerprints>> PageDiff::fingerprints(const ChunkId& chunk) {
    for (auto it = known_.begin(); it != known_.end(); ++it) {
        if (it->first != chunk) continue;
        known_.splice(known_.begin(), known_, it);
        return known_.front().second;
    }
    HF_TRY(auto found, read_fingerprints(context_.repository, chunk));
    std::shared_ptr<const PageFingerprints> shared;
    if (found && found->page_bytes == page_bytes_)
        shared = std::make_shared<PageFingerprints>(std::move(*found));
    known_.emplace_front(chunk, shared);
    if (known_.size() > remembered_fingerprints) known_.pop_back();
    return shared;
}

Result<bool> PageDiff::equals_stored(const Run& run,
                                     std::uint64_t offset_in_run,
                                     ByteSpan page) {
    const std::uint64_t start = run.chunk_offset + offset_in_run;
    auto it = std::find_if(contents_.begin(), contents_.end(), [&](const auto& item) {
        return item.first == run.chunk && item.second.has(start, page.size());
    });
    if (it == contents_.end()) {
        HF_TRY(ChunkReader* const chunks, context_.repository.chunks());
        const ChunkRange part{run.chunk_offset, static_cast<std::uint32_t>(run.bytes)};
        HF_TRY(ChunkContent content, chunks->read_part(run.chunk, ChunkPurpose::data, part));
        contents_.emplace_front(run.chunk, std::move(content));
        if (contents_.size() > remembered_contents) contents_.pop_back();
        it = contents_.begin();
    }
    if (!it->second.has(start, page.size())) return false;
    return std::equal(page.begin(), page.end(), it->second.bytes.begin() + start);
}

Result<bool> PageDiff::is_unchanged(const Run& run,
                                    std::uint64_t offset_in_run,
                                    ByteSpan page,
                                    const Digest& hash,
                                    const PageFingerprints* known) {
    const std::uint64_t start = run.chunk_offset + offset_in_run;
    if (known == nullptr || start % page_bytes_ != 0) return false;
    const std::uint64_t index = start / page_bytes_;
    if (index >= known->pages.size() || known->pages[static_cast<std::size_t>(index)] !=
                                            fingerprint_of(hash))
        return false;
    if (context_.page_trust == PageTrust::fingerprints) return true;
    return equals_stored(run, offset_in_run, page);
}

Status PageDiff::add_run(const Run& run) {
    if (page_hashes_.empty()) return extents_.add(run);
    if (!waiting_.empty()) {
        Run& last = waiting_.back();
        if (last.kind == run.kind && last.chunk == run.chunk &&
            (run.kind != RunKind::data || last.chunk_offset + last.bytes == run.chunk_offset)) {
            last.bytes += run.bytes;
            return {};
        }
    }
    waiting_.push_back(run);
    return {};
}

Status PageDiff::add_page(ByteSpan page, const Digest& hash) {
    const auto offset = static_cast<std::uint32_t>(pages_.size());
    pages_.insert(pages_.end(), page.begin(), page.end());
    page_hashes_.push_back(hash);
    HF_TRY_STATUS(add_run({RunKind::data, ChunkId{}, offset, page.size()}));
    if (pages_.size() >= page_chunk_bytes) return flush_pages();
    return {};
}

Status PageDiff::flush_pages() {
    if (page_hashes_.empty()) return {};
    const ChunkId id = context_.sink.put_pages(
        std::exchange(pages_, {}), page_bytes_, std::exchange(page_hashes_, {}));
    for (Run& run : waiting_) {
        if (run.kind == RunKind::data && run.chunk == ChunkId{}) run.chunk = id;
        HF_TRY_STATUS(extents_.add(run));
    }
    waiting_.clear();
    return {};
}

// Compares the next `bytes` (at most a window) with `run` from `offset_in_run` on; a null run: new.
Status PageDiff::compare_window(const Run* run, std::uint64_t offset_in_run, std::uint64_t bytes) {
    if (context_.stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    const MutableByteSpan window = MutableByteSpan(window_).first(static_cast<std::size_t>(bytes));
    HF_TRY(const std::size_t count, file_.read(position_, window));
    context_.progress.read_bytes += count;
    context_.progress.bytes += count;
    if (count != window.size()) return Error(ErrorCode::conflict, "the file became shorter");
    const std::size_t whole = window.size() / page_bytes_;
    hashes_.resize(whole);
    const SecretKey& key = context_.sink.keyring().member_key();
    keyed_hash_pages(key, window.first(whole * page_bytes_), page_bytes_, hashes_);
    if (whole * page_bytes_ != window.size())
        hashes_.push_back(keyed_hash(key, window.subspan(whole * page_bytes_)));
    std::shared_ptr<const PageFingerprints> known;
    if (run != nullptr && run->kind == RunKind::data) {
        HF_TRY(known, fingerprints(run->chunk));
    }
    for (std::size_t i = 0, offset = 0; i < hashes_.size(); ++i, offset += page_bytes_) {
        const ByteSpan page =
            window.subspan(offset, std::min<std::size_t>(page_bytes_, window.size() - offset));
        bool unchanged = false;
        if (run != nullptr && run->kind == RunKind::data) {
            HF_TRY(unchanged,
                   is_unchanged(*run, offset_in_run + offset, page, hashes_[i], known.get()));
        }
        if (unchanged) {
            const auto start =
                static_cast<std::uint32_t>(run->chunk_offset + offset_in_run + offset);
            HF_TRY_STATUS(add_run({RunKind::data, run->chunk, start, page.size()}));
        } else if (is_all_zero(page)) {
            HF_TRY_STATUS(add_run({RunKind::zeros, {}, 0, page.size()}));
        } else {
            HF_TRY_STATUS(add_page(page, hashes_[i]));
        }
    }
    position_ += bytes;
    return {};
}

Status PageDiff::compare(const Run& run) {
    for (std::uint64_t done = 0; done < run.bytes;) {
        const std::uint64_t part = std::min<std::uint64_t>(window_bytes, run.bytes - done);
        HF_TRY_STATUS(compare_window(&run, done, part));
        done += part;
    }
    return {};
}

Status PageDiff::add_new(std::uint64_t bytes) {
    while (bytes > 0) {
        const std::uint64_t part = std::min<std::uint64_t>(window_bytes, bytes);
        HF_TRY_STATUS(compare_window(nullptr, 0, part));
        bytes -= part;
    }
    return {};
}

Status PageDiff::finish() {
    return flush_pages();
}

}  // namespace holdfast
