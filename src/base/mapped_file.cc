#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/file_io.h"

namespace holdfast {

Result<MappedFile> MappedFile::open(const std::string& path) {
    HF_TRY(const UniqueFd fd, open_file(path, O_RDONLY));
    return of(fd.get(), path);
}

Result<MappedFile> MappedFile::of(int fd, const std::string& what) {
    struct stat info{};
    if (::fstat(fd, &info) != 0) return Error::from_errno(errno, what);
    MappedFile file;
    const auto bytes = static_cast<std::size_t>(info.st_size);
    if (bytes == 0) return file;
    void* const mapping = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (mapping == MAP_FAILED) return Error::from_errno(errno, what);
    file.bytes_ = {static_cast<const std::uint8_t*>(mapping), bytes};
    return file;
}

MappedFile::~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
}

}  // namespace holdfast
