#include "restore/whole_blocks.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

#include "base/aligned_buffer.h"
#include "base/file_io.h"

namespace holdfast {
namespace {

constexpr std::size_t buffer_bytes = 1u << 20;

}  // namespace

void WholeBlocks::begin(int fd, std::uint64_t bytes) {
    fd_ = fd;
    struct statfs info{};
    is_wanted_ = bytes >= direct_file_bytes && ::fstatfs(fd, &info) == 0 &&
                 (info.f_type == EXT4_SUPER_MAGIC || info.f_type == XFS_SUPER_MAGIC);
    // Within the file's size, blocks are written without a change of the inode for each.
    if (is_wanted_) is_wanted_ = ::ftruncate(fd, static_cast<off_t>(bytes)) == 0;
}

bool WholeBlocks::set_direct(bool direct) {
    if (is_direct_ == direct) return true;
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || ::fcntl(fd_, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) != 0)
        return false;
    is_direct_ = direct;
    return true;
}

Status WholeBlocks::write_through(std::uint64_t offset, ByteSpan content, const char* what) {
    if (content.empty()) return {};
    if (!set_direct(false)) return Error::from_errno(errno, what);
    return write_at(fd_, content, offset, what);
}

Status WholeBlocks::write_around(std::uint64_t offset, ByteSpan content, const char* what) {
    thread_local const AlignedBuffer aligned(buffer_bytes);
    const MutableByteSpan buffer = aligned.span();
    if (!set_direct(true)) return write_through(offset, content, what);
    while (!content.empty()) {
        const ByteSpan part = content.first(std::min(content.size(), buffer.size()));
        std::copy(part.begin(), part.end(), buffer.begin());
        const Status written = write_at(fd_, buffer.first(part.size()), offset, what);
        if (!written.ok() && written.error().code() == ErrorCode::invalid_argument) {
            is_wanted_ = false;  // the device wants larger blocks
            return write_through(offset, content, what);
        }
        HF_TRY_STATUS(written);
        offset += part.size();
        content = content.subspan(part.size());
    }
    return {};
}

Status WholeBlocks::write(std::uint64_t offset, ByteSpan content, const char* what) {
    constexpr std::size_t block = direct_block_bytes;
    const std::size_t head = static_cast<std::size_t>((block - offset % block) % block);
    if (!is_wanted_ || content.size() < head + block) return write_through(offset, content, what);
    const std::size_t whole = (content.size() - head) / block * block;
    HF_TRY_STATUS(write_through(offset, content.first(head), what));
    HF_TRY_STATUS(write_around(offset + head, content.subspan(head, whole), what));
    return write_through(offset + head + whole, content.subspan(head + whole), what);
}

}  // namespace holdfast
