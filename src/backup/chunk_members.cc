#include "backup/chunk_members.h"

#include <algorithm>

namespace holdfast {

void ChunkMembers::divide(ByteSpan chunk) {
    const Chunker& chunker = context_.chunkers.members;
    const SecretKey& key = context_.sink.keyring().member_key();
    members_.clear();
    for (std::size_t offset = 0; offset < chunk.size();) {
        const ByteSpan rest = chunk.subspan(offset);
        const std::size_t bytes =
            chunker.next_cut(rest.first(std::min<std::size_t>(rest.size(), chunker.parameters().max_bytes)));
        members_.push_back({static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(bytes),
                            keyed_hash(key, rest.first(bytes)), std::nullopt});
        offset += bytes;
    }
}

ChunkId ChunkMembers::id_of_all() const {
    ChunkIdBuilder builder(ChunkPurpose::data);
    for (const Member& member : members_) builder.add(member.bytes, member.hash);
    return builder.finish(context_.sink.keyring().id_key());
}

void ChunkMembers::store_new(ByteSpan chunk) {
    Bytes content;
    std::vector<std::uint32_t> lengths;
    std::vector<Digest> hashes;
    for (const Member& member : members_) {
        if (member.place) continue;
        const ByteSpan part = chunk.subspan(member.offset, member.bytes);
        content.insert(content.end(), part.begin(), part.end());
        lengths.push_back(member.bytes);
        hashes.push_back(member.hash);
    }
    if (content.empty()) return;
    const ChunkId id = context_.sink.put_members(std::move(content), std::move(lengths), hashes);
    std::uint32_t offset = 0;
    for (Member& member : members_) {
        if (member.place) continue;
        member.place = MemberPlace{id, offset, member.bytes};
        context_.members.insert(member.hash, *member.place);
        offset += member.bytes;
    }
}

Status ChunkMembers::add(ByteSpan chunk, ExtentBuilder& extents) {
    divide(chunk);
    const ChunkId id = id_of_all();
    if (context_.sink.session().contains(id))
        return extents.add({RunKind::data, id, 0, chunk.size()});
    for (Member& member : members_) member.place = context_.place_of(member.hash, member.bytes);
    store_new(chunk);
    for (const Member& member : members_)
        HF_TRY_STATUS(extents.add(
            {RunKind::data, member.place->chunk, member.place->offset, member.bytes}));
    return {};
}

}  // namespace holdfast
