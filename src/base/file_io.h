// Whole reads and writes on file descriptors, with errors as values.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace holdfast {

// `what` names the file in errors. All retry EINTR.
Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode = 0);
// Reads until `out` is full or the end of the file; returns the bytes read.
Result<std::size_t> read_at(int fd, MutableByteSpan out, std::uint64_t offset, const char* what);
Status write_all(int fd, ByteSpan data, const char* what);
Status write_at(int fd, ByteSpan data, std::uint64_t offset, const char* what);
// The whole file; out_of_range sizes (above `limit_bytes`) are invalid_argument.
Result<Bytes> read_file(const std::string& path, std::uint64_t limit_bytes);
// The same from a descriptor that cannot seek.
Result<Bytes> read_stream(int fd, std::uint64_t limit_bytes);
// Opens `temporary`, empty, to be written and renamed while it is open: so long no other process writes it.
// Errors: conflict when another one does.
Result<UniqueFd> open_successor(const std::string& temporary, unsigned mode);
// Writes `path` so that after a crash it holds all of `data` or what it held before. Errors: conflict when
// another process does that at this moment.
Status replace_file(const std::string& path, ByteSpan data, unsigned mode);
// Creates `path` and its parents where they are missing, with `mode`.
Status make_directories(const std::string& path, unsigned mode);
// A file without a name, for what does not fit in memory: in TMPDIR, else /var/tmp. It is gone when
// it is closed.
Result<UniqueFd> open_temporary_file();
Status sync_directory(const std::string& path);
// make_directories(), and on return they survive a crash.
Status make_durable_directories(const std::string& path, unsigned mode);

}  // namespace holdfast
