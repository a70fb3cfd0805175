// Which files are images or databases, whose changes are of whole pages.
#pragma once

#include "base/bytes.h"

namespace holdfast {

// Bytes of the file's start that page_bytes_of wants to see.
inline constexpr std::size_t page_detection_bytes = 0x10048;
inline constexpr std::uint64_t page_detection_min_bytes = 1u << 20;

// The page size of a file of this name, size and start; 0: not a file of pages. A file of pages is
// at least 1 MiB, a multiple of 4 KiB, and is known by its magic (file systems, partition tables,
// disk images, swap, LVM, LUKS, SQLite, InnoDB, PostgreSQL) or its name (.img .raw .qcow2 .vmdk .vdi
// .vhd .vhdx .ibd .db .sqlite .mdf .ldf). A wrong answer costs space, never correctness.
std::uint32_t page_bytes_of(std::string_view name, std::uint64_t size, ByteSpan start);

}  // namespace holdfast
