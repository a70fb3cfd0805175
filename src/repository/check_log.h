// When which container's data was last read by a check and found whole.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "format/ids.h"

namespace holdfast {

// A file of the local cache: safe to lose, then everything counts as never read. Memory: 80 bytes a container.
// For one thread.
class CheckLog {
  public:
    // An empty `path`: remembers nothing.
    static CheckLog load(const std::string& path);

    std::optional<TimeNs> last(const ObjectId& container) const;
    void note(const ObjectId& container, TimeNs now) { times_[container] = now; }
    // Forgets what `is_there` denies, and writes the file; that it fails is nobody's harm.
    template <typename IsThere>
    void save(const IsThere& is_there) {
        std::erase_if(times_, [&](const auto& item) { return !is_there(item.first); });
        write();
    }

  private:
    explicit CheckLog(std::string path) : path_(std::move(path)) {}
    void write() const;

    std::string path_;
    std::map<ObjectId, TimeNs> times_;
};

}  // namespace holdfast
