#include "backup/page_detection.h"

namespace holdfast {
namespace {

struct Magic {
    std::size_t offset;
    std::string_view bytes;
};

using namespace std::string_view_literals;

constexpr Magic page_magics[] = {
    {510, "\x55\xAA"sv},               // MBR
    {512, "EFI PART"sv},               // GPT
    {0x438, "\x53\xEF"sv},             // ext2, ext3, ext4
    {0, "XFSB"sv},                     // XFS
    {0x10040, "_BHRfS_M"sv},           // btrfs
    {0, "LUKS\xBA\xBE"sv},             // LUKS
    {0x218, "LVM2 001"sv},             // LVM physical volume
    {4086, "SWAPSPACE2"sv},            // swap
    {0, "QFI\xFB"sv},                  // qcow2
    {0, "KDMV"sv},                     // VMDK
    {0, "vhdxfile"sv},                 // VHDX
    {0, "conectix"sv},                 // VHD
    {0x40, "\x7F\x10\xDA\xBE"sv},      // VDI
    {0, "SQLite format 3\0"sv},        // SQLite
};

constexpr std::string_view page_endings[] = {".img",  ".raw", ".qcow2", ".vmdk", ".vdi",    ".vhd",
                                             ".vhdx", ".ibd", ".db",    ".sqlite", ".mdf", ".ldf"};

bool has_magic(ByteSpan start, const Magic& magic) {
    return start.size() >= magic.offset + magic.bytes.size() &&
           as_text(start.subspan(magic.offset, magic.bytes.size())) == magic.bytes;
}

// PageHeaderData of PostgreSQL (bufpage.h): version 4 and 8 KiB, and offsets in order.
bool is_postgresql_page(ByteSpan start) {
    if (start.size() < 8192) return false;
    ByteReader in(start.subspan(12));
    const std::uint16_t lower = in.u16(), upper = in.u16(), special = in.u16(), version = in.u16();
    return version == (8192 | 4) && lower >= 24 && lower <= upper && upper <= special &&
           special <= 8192;
}

}  // namespace

std::uint32_t page_bytes_of(std::string_view name, std::uint64_t size, ByteSpan start) {
    if (size < page_detection_min_bytes || size % 4096 != 0) return 0;
    if (size % 8192 == 0 && is_postgresql_page(start)) return 8192;
    if (size % 16384 == 0 && (name.ends_with(".ibd") || name.starts_with("ibdata"))) return 16384;
    for (const std::string_view ending : page_endings)
        if (name.ends_with(ending)) return 4096;
    for (const Magic& magic : page_magics)
        if (has_magic(start, magic)) return 4096;
    return 0;
}

}  // namespace holdfast
