#include "api/option_file.h"

#include <fcntl.h>

#include "base/file_io.h"

namespace holdfast {

Result<Bytes> read_option_file(const std::string& path, std::uint64_t limit_bytes) {
    HF_TRY(const UniqueFd fd, open_file(path, O_RDONLY));
    auto data = read_stream(fd.get(), limit_bytes);
    if (data.ok()) return data;
    // What the system says of a user's file is no fault of the program.
    const ErrorCode code = data.error().code() == ErrorCode::internal ? ErrorCode::unavailable
                                                                      : data.error().code();
    return Error(code, path + ": " + data.error().message());
}

}  // namespace holdfast
