#include "repository/chunk_reader.h"

#include <algorithm>

#include "repository/compression.h"

namespace holdfast {
namespace {

constexpr std::size_t max_keys = 4096;

Error bad(const ChunkId& id, const char* what) {
    return {ErrorCode::corrupt, "chunk " + id.hex().substr(0, 16) + ": " + what};
}

// What its own seal proves is not proven again: the id of fingerprints derives from another chunk's.
Status verify_id(const ChunkLocation& location,
                 const ChunkHeader& header,
                 ByteSpan content,
                 const Keyring& keyring) {
    if (location.purpose == ChunkPurpose::fingerprints) return {};
    if (chunk_id_of(location.purpose, header, content, keyring) == location.id) return {};
    return bad(location.id, "content does not match its id");
}

}  // namespace

ChunkId chunk_id_of(ChunkPurpose purpose, const ChunkHeader& header, ByteSpan content, const Keyring& keyring) {
    ChunkIdBuilder builder(purpose);
    const auto raw_bytes = static_cast<std::uint32_t>(content.size());
    const std::size_t count = header.members.count(raw_bytes);
    const std::uint32_t page = header.members.uniform_bytes;
    // Whole pages can be hashed several at a time.
    std::vector<Digest> pages;
    if (header.absent.empty() && page >= 4096 && page <= 65536 && std::has_single_bit(page)) {
        pages.resize(content.size() / page);
        keyed_hash_pages(keyring.member_key(), content.first(pages.size() * page), page, pages);
    }
    std::size_t offset = 0, absent = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t length = header.members.length(i, raw_bytes);
        Digest hash;
        if (absent < header.absent.size() && header.absent[absent].first == i)
            hash = header.absent[absent++].second;
        else if (i < pages.size())
            hash = pages[i];
        else
            hash = keyed_hash(keyring.member_key(), content.subspan(offset, length));
        builder.add(length, hash);
        offset += length;
    }
    return builder.finish(keyring.id_key());
}

bool ChunkContent::has(std::uint64_t offset, std::uint64_t count) const {
    return offset <= bytes.size() && count <= bytes.size() - offset &&
           std::none_of(absent.begin(), absent.end(), [&](const ChunkRange& gone) {
               return gone.offset < offset + count && offset < gone.end();
           });
}

Result<SecretKey> ChunkReader::object_key(const EnvelopeHeader& header) {
    {
        std::lock_guard lock(mutex_);
        const auto found = keys_.find(header.object);
        if (found != keys_.end()) return found->second;
    }
    HF_TRY(const SecretKey key, keyring_.object_key(header));
    std::lock_guard lock(mutex_);
    if (keys_.size() >= max_keys) keys_.clear();
    keys_.emplace(header.object, key);
    return key;
}

Result<LocatedChunk> ChunkReader::locate(const ChunkId& id,
                                         const ChunkRange& part,
                                         const Index::Containers& without) {
    auto located = index_.locate(id, part, without);
    if (located.ok() || located.error().code() != ErrorCode::not_found) return located;
    HF_TRY_STATUS(find_more_());
    return index_.locate(id, part, without);
}

Result<RawBytes> ChunkReader::read(const ChunkId& id, ChunkPurpose purpose) {
    HF_TRY(ChunkContent content, read_part(id, purpose, whole_chunk));
    return std::move(content.bytes);
}

Result<ChunkContent> ChunkReader::read_part(const ChunkId& id,
                                            ChunkPurpose purpose,
                                            const ChunkRange& part) {
    Index::Containers damaged;
    std::optional<Error> damage;
    for (;;) {
        auto located = locate(id, part, damaged);
        // What a manifest refers to must be there: a missing chunk is damage.
        if (!located.ok() && located.error().code() == ErrorCode::not_found) {
            if (on_missing) on_missing(id, part);
            return damage.value_or(Error(ErrorCode::corrupt, located.error().message()));
        }
        HF_TRY(const LocatedChunk chunk, std::move(located));
        const ObjectId& container = chunk.container.header.object;
        auto content = chunk.location.purpose == purpose
                           ? read(chunk)
                           : Result<ChunkContent>(bad(id, "not what it should hold"));
        if (content.ok()) return content;
        if (content.error().code() == ErrorCode::not_found) {
            // Its container is lost; a later backup may have stored the chunk again elsewhere.
            index_.exclude(container);
        } else if (content.error().code() == ErrorCode::corrupt) {
            // Damaged here, or never what a client claims it to be: another place may have it.
            if (!damage) damage = content.error();
            damaged.insert(container);
        } else {
            return content;
        }
    }
}

namespace {

// Room for the first `frames` frames.
Result<RawBytes> buffer_for(const ChunkLocation& location, std::size_t frames) {
    std::uint64_t stored_bytes = 0;
    for (std::size_t i = 0; i < frames; ++i) stored_bytes += location.frame_bytes[i];
    if (stored_bytes > 2ull * max_chunk_bytes) return bad(location.id, "stored size");
    return RawBytes(static_cast<std::size_t>(stored_bytes));
}

}  // namespace

Status ChunkReader::read_from(const Container& container, std::uint64_t offset, MutableByteSpan out) {
    const std::string name = container_name(container);
    for (;;) {
        Status read = storage_.read(name, offset, out);
        if (read.ok() || read.error().code() != ErrorCode::frozen || !on_frozen) return read;
        HF_TRY_STATUS(on_frozen(name));
    }
}

Result<RawBytes> ChunkReader::read_stored(const LocatedChunk& chunk, std::size_t frames) {
    HF_TRY(RawBytes stored, buffer_for(chunk.location, frames));
    HF_TRY_STATUS(read_from(chunk.container, chunk.location.offset, stored));
    return stored;
}

// For who holds the mutex.
Status ChunkReader::open_mender(const std::string& name, std::uint64_t object_bytes) {
    if (mended_name_ == name && mended_bytes_ == object_bytes) return mendable_;
    auto opened = ObjectMender::open(storage_, name, object_bytes);
    if (!opened.ok() && opened.error().code() != ErrorCode::corrupt) return opened.error();
    mendable_ = opened.ok() ? ok_status() : Status(opened.error());
    mender_ = opened.ok() ? std::move(opened).value() : nullptr;
    mended_name_ = name;
    mended_bytes_ = object_bytes;
    return mendable_;
}

Result<RawBytes> ChunkReader::read_mended(const LocatedChunk& chunk, std::size_t frames) {
    HF_TRY(RawBytes stored, buffer_for(chunk.location, frames));
    const std::string name = container_name(chunk.container);
    HF_TRY(const ObjectInfo info, storage_.head(name));
    const std::lock_guard lock(mender_mutex_);
    HF_TRY_STATUS(open_mender(name, info.bytes));
    HF_TRY_STATUS(mender_->read_body(chunk.location.offset, stored));
    return stored;
}

template <typename Open>
auto ChunkReader::open_stored(const LocatedChunk& chunk, std::size_t frames, const Open& open)
    -> decltype(open(ByteSpan{})) {
    const auto opened = [&](const Result<RawBytes>& stored) -> decltype(open(ByteSpan{})) {
        if (!stored.ok()) return stored.error();
        return open(*stored);
    };
    auto result = opened(read_stored(chunk, frames));
    if (result.ok() || result.error().code() != ErrorCode::corrupt) return result;
    auto mended = opened(read_mended(chunk, frames));
    if (mended.ok()) return mended;
    return result;
}

Result<ChunkContent> ChunkReader::read(const LocatedChunk& chunk) {
    return open_stored(chunk, chunk.location.frame_bytes.size(),
                       [&](ByteSpan stored) { return decode(chunk, stored); });
}

void ChunkReader::read_span(std::span<const LocatedChunk> chunks, const TakeStored& take) {
    const std::uint64_t begin = chunks.front().location.offset;
    const ChunkLocation& last = chunks.back().location;
    RawBytes stored(static_cast<std::size_t>(last.offset + last.stored_bytes() - begin));
    const Status read = read_from(chunks.front().container, begin, stored);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        const ChunkLocation& location = chunks[i].location;
        if (read.ok())
            take(i, ByteSpan(stored).subspan(static_cast<std::size_t>(location.offset - begin),
                                             static_cast<std::size_t>(location.stored_bytes())));
        else
            take(i, read.error());
    }
}

Result<ChunkHeader> ChunkReader::read_header(const LocatedChunk& chunk) {
    return open_stored(chunk, 1, [&](ByteSpan stored) -> Result<ChunkHeader> {
        HF_TRY(FrameCipher cipher, cipher_of(chunk.container));
        HF_TRY(const Bytes plain, cipher.open(chunk.location.first_frame, FrameRole::chunk, stored));
        ByteReader in(plain);
        return decode_chunk_header(in, chunk.location.raw_bytes);
    });
}

Result<FrameCipher> ChunkReader::cipher_of(const Container& container) {
    EnvelopeHeader envelope = container.header;
    envelope.repository = keyring_.repository();
    HF_TRY(const SecretKey key, object_key(envelope));
    return FrameCipher(envelope, key);
}

Result<EncodedChunk> ChunkReader::read_frames(const LocatedChunk& chunk) {
    if (chunk.container.header.is_claim()) {
        if (chunk.location.purpose == ChunkPurpose::fingerprints)
            return bad(chunk.location.id, "fingerprints of a write-only client");
        HF_TRY_STATUS(read(chunk));
    }
    return open_stored(chunk, chunk.location.frame_bytes.size(),
                       [&](ByteSpan stored) { return unseal_frames(chunk, stored); });
}

Result<EncodedChunk> ChunkReader::unseal_frames(const LocatedChunk& chunk, ByteSpan stored) {
    const ChunkLocation& location = chunk.location;
    HF_TRY(FrameCipher cipher, cipher_of(chunk.container));
    EncodedChunk result{location.id,         location.purpose, location.raw_bytes,
                        location.frame_log2, {},               location.absent};
    ByteSpan rest(stored);
    for (std::size_t i = 0; i < location.frame_bytes.size(); ++i) {
        HF_TRY(Bytes frame, cipher.open(location.first_frame + i, FrameRole::chunk,
                                        rest.first(location.frame_bytes[i])));
        rest = rest.subspan(location.frame_bytes[i]);
        result.frames.push_back(std::move(frame));
    }
    return result;
}

Result<RawBytes> ChunkReader::unseal(const LocatedChunk& chunk, ByteSpan stored, ChunkHeader& header) {
    const ChunkLocation& location = chunk.location;
    HF_TRY(FrameCipher cipher, cipher_of(chunk.container));
    RawBytes content(location.raw_bytes);
    const std::size_t frame_raw = location.frame_log2 == 0 ? location.raw_bytes
                                                           : std::size_t{1} << location.frame_log2;
    if (location.frame_bytes.empty()) return bad(location.id, "no frames");
    RawBytes memory(*std::max_element(location.frame_bytes.begin(), location.frame_bytes.end()));
    std::size_t offset = 0, stored_offset = 0;
    for (std::size_t i = 0; i < location.frame_bytes.size(); ++i) {
        HF_TRY(const ByteSpan plain,
               cipher.open(location.first_frame + i, FrameRole::chunk,
                           stored.subspan(stored_offset, location.frame_bytes[i]), memory));
        stored_offset += location.frame_bytes[i];
        ByteReader in(plain);
        if (i == 0) {
            HF_TRY(header, decode_chunk_header(in, location.raw_bytes));
        }
        const std::size_t raw = std::min(frame_raw, content.size() - offset);
        HF_TRY_STATUS(decompress(plain.subspan(in.position()),
                                 MutableByteSpan(content).subspan(offset, raw)));
        offset += raw;
    }
    return content;
}

Result<ChunkContent> ChunkReader::decode(const LocatedChunk& chunk, ByteSpan stored) {
    ChunkContent content;
    HF_TRY(content.bytes, unseal(chunk, stored, content.header));
    HF_TRY_STATUS(verify_id(chunk.location, content.header, content.bytes, keyring_));
    content.absent = content.header.absent_ranges(chunk.location.raw_bytes);
    if (content.absent != chunk.location.absent)
        return bad(chunk.location.id, "not what its table says that is absent");
    return content;
}

}  // namespace holdfast
