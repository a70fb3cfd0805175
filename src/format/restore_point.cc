#include "format/restore_point.h"

#include "format/node.h"

namespace holdfast {
namespace {

constexpr std::uint8_t flag_partial = 1, flag_copy = 2;
// The root entry is written as a directory leaf with one entry; a directory has this name there.
constexpr std::string_view root_name = "root";

Error bad() {
    return {ErrorCode::corrupt, "damaged restore point"};
}

void encode_stats(const RestorePointStats& stats, ByteWriter& out) {
    for (const std::uint64_t value : {stats.files, stats.directories, stats.others,
                                      stats.content_bytes, stats.read_bytes, stats.skipped})
        out.varint(value);
}

void encode_texts(const std::vector<std::string>& texts, ByteWriter& out) {
    out.varint(texts.size());
    for (const std::string& text : texts) out.sized_text(text);
}

std::vector<std::string> decode_texts(ByteReader& in) {
    std::vector<std::string> texts;
    const std::uint64_t count = in.varint_at_most(in.remaining());
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) texts.push_back(in.sized_text(1 << 20));
    return texts;
}

}  // namespace

std::string_view backup_type_name(BackupType type) {
    switch (type) {
        case BackupType::full: return "full";
        case BackupType::incremental: return "incremental";
        case BackupType::differential: return "differential";
        case BackupType::synthetic_full: return "synthetic-full";
    }
    return "unknown";
}

std::optional<BackupType> backup_type_from_name(std::string_view name) {
    for (const BackupType type : {BackupType::full, BackupType::incremental,
                                  BackupType::differential, BackupType::synthetic_full})
        if (backup_type_name(type) == name) return type;
    return std::nullopt;
}

Bytes encode_restore_point(const RestorePointRecord& record) {
    Bytes data;
    ByteWriter out(data);
    const bool is_copy = record.origin != RestorePointId{};
    out.u8(static_cast<std::uint8_t>((record.is_partial ? flag_partial : 0) | (is_copy ? flag_copy : 0)));
    out.u8(static_cast<std::uint8_t>(record.type));
    out.u64(static_cast<std::uint64_t>(record.started));
    out.u64(static_cast<std::uint64_t>(record.walked));
    out.u64(static_cast<std::uint64_t>(record.finished));
    out.bytes(record.parent.bytes);
    out.bytes(record.base_full.bytes);
    out.bytes(record.session.bytes);
    for (const std::string* text :
         {&record.source, &record.host, &record.name, &record.machine_id, &record.program})
        out.sized_text(*text);
    encode_texts(record.tags, out);
    encode_stats(record.stats, out);
    encode_texts(record.skipped_paths, out);
    DirectoryLeafWriter leaf;
    Entry root = record.root;
    if (root.metadata.type == EntryType::directory) root.name = root_name;
    leaf.add(root);
    out.sized_bytes(leaf.finish());
    if (is_copy) out.bytes(record.origin.bytes);
    return data;
}

Result<RestorePointRecord> decode_restore_point(ByteSpan data) {
    ByteReader in(data);
    RestorePointRecord record;
    const std::uint8_t flags = in.u8();
    const std::uint8_t type = in.u8();
    record.is_partial = (flags & flag_partial) != 0;
    record.started = static_cast<TimeNs>(in.u64());
    record.walked = static_cast<TimeNs>(in.u64());
    record.finished = static_cast<TimeNs>(in.u64());
    record.parent.bytes = in.array<16>();
    record.base_full.bytes = in.array<16>();
    record.session.bytes = in.array<8>();
    for (std::string* text :
         {&record.source, &record.host, &record.name, &record.machine_id, &record.program})
        *text = in.sized_text(1 << 20);
    record.tags = decode_texts(in);
    for (std::uint64_t* value :
         {&record.stats.files, &record.stats.directories, &record.stats.others,
          &record.stats.content_bytes, &record.stats.read_bytes, &record.stats.skipped})
        *value = in.varint();
    record.skipped_paths = decode_texts(in);
    const ByteSpan leaf = in.sized_bytes();
    if ((flags & flag_copy) != 0) record.origin.bytes = in.array<16>();
    const bool says_origin = ((flags & flag_copy) != 0) == (record.origin != RestorePointId{});
    if (!in.complete() || (flags & ~(flag_partial | flag_copy)) != 0 || !says_origin || type < 1 || type > 4) return bad();
    record.type = static_cast<BackupType>(type);
    HF_TRY(std::vector<Entry> entries, decode_directory_leaf(leaf));
    if (entries.size() != 1) return bad();
    record.root = std::move(entries[0]);
    if (record.root.metadata.type == EntryType::directory) record.root.name = "/";
    return record;
}

}  // namespace holdfast
