// The root record of a restore point. docs/format.md#restore-points.
#pragma once

#include "base/result.h"
#include "format/entry.h"

namespace holdfast {

// The numbers are stored.
enum class BackupType : std::uint8_t {
    full = 1,
    incremental = 2,
    differential = 3,
    synthetic_full = 4,
};
std::string_view backup_type_name(BackupType type);
std::optional<BackupType> backup_type_from_name(std::string_view name);

struct RestorePointStats {
    std::uint64_t files = 0;
    std::uint64_t directories = 0;
    std::uint64_t others = 0;         // links, devices, FIFOs, sockets
    std::uint64_t content_bytes = 0;  // sum of the sizes of files
    std::uint64_t read_bytes = 0;     // what was read from the source
    std::uint64_t skipped = 0;        // entries that could not be read
    bool operator==(const RestorePointStats&) const = default;
};

struct RestorePointRecord {
    std::string source;  // URL
    std::string host;
    std::string name;
    std::string machine_id;  // of the machine that made it; may be empty
    TimeNs started = 0;      // the point's time: given by the user, or when the walk began
    TimeNs walked = 0;       // when the walk began, by the clock
    TimeNs finished = 0;
    BackupType type = BackupType::full;
    // A point that an interrupted backup left: a parent for the next run, never offered for restore.
    bool is_partial = false;
    RestorePointId parent{};    // zero: none
    RestorePointId base_full{};  // the full that a differential compared with; zero: none
    SessionId session{};        // the lease under which it was written
    // Of a copy: the point, in another repository, that was copied first. Zero: this one is no copy.
    RestorePointId origin{};
    std::vector<std::string> tags;
    std::string program;  // name and version
    RestorePointStats stats;
    std::vector<std::string> skipped_paths;  // the first 100
    Entry root;  // a directory, named "/" here only; or a lone file (a stream) with its name

    bool operator==(const RestorePointRecord&) const = default;
};

Bytes encode_restore_point(const RestorePointRecord& record);
Result<RestorePointRecord> decode_restore_point(ByteSpan data);

}  // namespace holdfast
