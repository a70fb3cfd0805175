#include "cli/point_json.h"

#include <nlohmann/json.hpp>

#include "cli/output.h"

namespace holdfast {
namespace {

constexpr const char* type_names[] = {"",       "file",        "directory",   "symlink",
                                      "fifo",   "socket",      "char_device", "block_device"};
constexpr char type_letters[] = "?-dlpscb";

}  // namespace

nlohmann::json json_of(const PointSummary& point) {
    const RestorePointRecord& record = point.record;
    nlohmann::json document = {{"id", point.id},
                               {"type", backup_type_name(record.type)},
                               {"tags", record.tags},
                               {"files", record.stats.files},
                               {"bytes", record.stats.content_bytes},
                               {"directories", record.stats.directories},
                               {"skipped", record.stats.skipped},
                               {"held", point.is_held},
                               {"damaged", point.is_damaged},
                               {"deleted", point.is_deleted}};
    add_identity(document, record);
    add_path(document, "source", record.source);
    return document;
}

void add_identity(nlohmann::json& document, const RestorePointRecord& record) {
    add_path(document, "host", record.host);
    add_path(document, "name", record.name);
    document["time"] = format_rfc3339(record.started);
}

nlohmann::json json_of(const std::string& path, const Entry& entry) {
    const Metadata& m = entry.metadata;
    nlohmann::json document = {{"schema", 1},
                               {"type", type_names[static_cast<std::size_t>(m.type)]},
                               {"mode", m.mode},
                               {"uid", m.uid},
                               {"gid", m.gid},
                               {"size", m.size},
                               {"mtime", format_rfc3339(m.mtime)}};
    add_path(document, "path", path);
    if (m.type == EntryType::symlink) add_path(document, "target", m.target);
    return document;
}

std::string describe(const Entry& entry) {
    const Metadata& m = entry.metadata;
    std::string text(1, type_letters[static_cast<std::size_t>(m.type)]);
    static constexpr char letters[] = "rwxrwxrwx";
    for (unsigned bit = 0; bit < 9; ++bit)
        text += (m.mode >> (8 - bit) & 1) != 0 ? letters[bit] : '-';
    const auto special = [&text, &m](unsigned bit, std::size_t place, char with, char without) {
        if ((m.mode & bit) != 0) text[place] = text[place] == 'x' ? with : without;
    };
    special(04000, 3, 's', 'S');
    special(02000, 6, 's', 'S');
    special(01000, 9, 't', 'T');
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, " %5u %5u %12llu ", m.uid, m.gid,
                  static_cast<unsigned long long>(m.size));
    return text + numbers + format_rfc3339(m.mtime / ns_per_second * ns_per_second);
}

}  // namespace holdfast
