#include "backup/locality.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>

#include "backup/content_pipeline.h"
#include "base/file_io.h"

namespace holdfast {
namespace {

// Layout: magic, 8 | budget, 8 | ids of chunks, 32 each | check, 8: the hash of what stands before it.
constexpr std::uint64_t locality_magic = 0x31304C4C'4B434648u;
constexpr std::uint64_t max_file_bytes = 24 + 32 * Locality::max_emptied;

std::uint64_t check_of(ByteSpan data) {
    return ByteReader(plain_hash(data).bytes).u64();
}

}  // namespace

Locality Locality::load(const std::string& path, std::uint64_t salt) {
    Locality locality(path, salt);
    if (path.empty()) return locality;
    const auto data = read_file(path, max_file_bytes);
    if (!data.ok() || data->size() < 24) return locality;
    const ByteSpan body = ByteSpan(*data).first(data->size() - 8);
    ByteReader in(body);
    if (check_of(body) != ByteReader(ByteSpan(*data).last(8)).u64() || in.u64() != locality_magic)
        return locality;
    locality.budget_bytes_ = in.u64();
    while (in.ok() && !in.at_end()) locality.chunks_[ChunkId{in.array<32>()}].is_emptied = true;
    return locality;
}

bool Locality::is_watched(const ChunkId& chunk) const {
    return ((chunk.prefix64() ^ salt_) & ((std::uint64_t{1} << halvings_) - 1)) == 0;
}

void Locality::watch_half() {
    ++halvings_;
    std::erase_if(chunks_, [this](const auto& item) { 
        return !item.second.is_emptied && !is_watched(item.first);
    });
}

// The one run of a small file, its chunk being the last one now; null for anything else.
const Run* Locality::look_at(const Entry& entry) {
    const auto* content = std::get_if<RunContent>(&entry.content);
    if (path_.empty() || content == nullptr || content->runs.size() != 1 ||
        content->runs[0].kind != RunKind::data || entry.metadata.size >= small_file_bytes)
        return nullptr;
    const Run& run = content->runs[0];
    if (run.chunk == last_chunk_) return &run;
    last_chunk_ = run.chunk;
    const auto found = chunks_.find(run.chunk);
    if (found != chunks_.end()) {
        last_ = &found->second;
        return &run;
    }
    while (chunks_.size() >= max_watched) watch_half();
    last_ = is_watched(run.chunk) ? &chunks_[run.chunk] : nullptr;
    return &run;
}

void Locality::note(const Entry& entry, const Run& run) {
    if (last_ == nullptr) return;
    last_->live_bytes += run.bytes;
    last_->part = {run.chunk_offset, static_cast<std::uint32_t>(run.bytes)};
    last_->has_links |= entry.metadata.has_links;
}

bool Locality::takes(const Entry& entry) {
    const Run* const run = look_at(entry);
    if (run == nullptr) return false;
    if (last_ != nullptr && last_->is_emptied && !entry.metadata.has_links && run->bytes <= budget_bytes_ &&
        taken_bytes_ < changed_bytes_) {
        budget_bytes_ -= run->bytes;
        taken_bytes_ += run->bytes;
        return true;
    }
    note(entry, *run);
    return false;
}

void Locality::stays(const Entry& entry) {
    if (const Run* const run = look_at(entry)) note(entry, *run);
}

// As many as the budget empties; the last of them may be emptied in part.
std::vector<ChunkId> Locality::deadest(const Index& index) const {
    struct Candidate {
        std::uint64_t live_bytes, raw_bytes;
        ChunkId chunk;
    };
    std::vector<Candidate> candidates;
    for (const auto& [chunk, watched] : chunks_) {
        if (watched.has_links || watched.live_bytes == 0) continue;
        const auto position = index.position_of(chunk, watched.part);
        if (!position) continue;
        const std::uint64_t raw_bytes = index.raw_bytes(*position);
        if (watched.live_bytes * 100 <= raw_bytes * max_live_percent)
            candidates.push_back({watched.live_bytes, raw_bytes, chunk});
    }
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        return std::make_pair(a.live_bytes * b.raw_bytes, a.chunk) <
               std::make_pair(b.live_bytes * a.raw_bytes, b.chunk);
    });
    std::vector<ChunkId> chosen;
    std::uint64_t bytes = 0;
    for (const Candidate& candidate : candidates) {
        if (bytes >= budget_bytes_ || chosen.size() == max_emptied) break;
        chosen.push_back(candidate.chunk);
        bytes += candidate.live_bytes;
    }
    return chosen;
}

void Locality::save(const Index& index, std::uint64_t new_bytes) {
    if (path_.empty() || new_bytes == 0) return;
    const std::uint64_t earned = new_bytes * budget_percent / 100;
    // Small changes save up for a file of any size.
    budget_bytes_ = std::min(budget_bytes_ + earned, std::max(earned, small_file_bytes));
    write(deadest(index));
}

// Not synced: what a crash tears is not believed.
void Locality::write(const std::vector<ChunkId>& emptied) const {
    Bytes data;
    ByteWriter out(data);
    out.u64(locality_magic);
    out.u64(budget_bytes_);
    for (const ChunkId& chunk : emptied) out.bytes(chunk.bytes);
    out.u64(check_of(data));
    const std::string temporary = path_ + ".new";
    const auto fd = open_successor(temporary, 0600);
    if (fd.ok() && write_all(fd->get(), data, temporary.c_str()).ok())
        (void)::rename(temporary.c_str(), path_.c_str());
}

}  // namespace holdfast
