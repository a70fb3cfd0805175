// A whole file as memory, to read.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

// Page cache, not memory of the process. A file that is cut while it is mapped ends the program: for files
// that are replaced, never changed.
class MappedFile {
  public:
    MappedFile() = default;
    // Errors: of the system. An empty file is empty.
    static Result<MappedFile> open(const std::string& path);
    // The file of an open descriptor, which may be closed afterwards; `what` names it in errors.
    static Result<MappedFile> of(int fd, const std::string& what);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;

    ByteSpan bytes() const { return bytes_; }

  private:
    ByteSpan bytes_;
};

}  // namespace holdfast
