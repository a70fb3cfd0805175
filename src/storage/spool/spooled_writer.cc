#include "storage/spool/spooled_writer.h"

#include "base/file_io.h"
#include "base/mapped_file.h"

namespace holdfast {
namespace {

constexpr std::size_t memory_bytes = 1u << 20;
constexpr const char* file_name = "a temporary file";

}  // namespace

Status SpooledWriter::append(ByteSpan data) {
    if (waiting_.size() + data.size() > memory_bytes) HF_TRY_STATUS(spill());
    if (data.size() > memory_bytes) return write_all(file_.get(), data, file_name);
    waiting_.insert(waiting_.end(), data.begin(), data.end());
    return {};
}

Status SpooledWriter::spill() {
    if (!file_) {
        HF_TRY(file_, open_temporary_file());
    }
    HF_TRY_STATUS(write_all(file_.get(), waiting_, file_name));
    waiting_.clear();
    return {};
}

Status SpooledWriter::commit(Durability) {
    if (!file_) return store_(waiting_);
    HF_TRY_STATUS(spill());
    HF_TRY(const MappedFile whole, MappedFile::of(file_.get(), file_name));
    return store_(whole.bytes());
}

}  // namespace holdfast
