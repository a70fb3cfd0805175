#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace holdfast {
namespace {

class SystemRandom final : public Random {
  public:
    void fill(MutableByteSpan out) override {
        while (!out.empty()) {
            const ssize_t count = ::getrandom(out.data(), out.size(), 0);
            if (count < 0 && errno == EINTR) continue;
            HF_CHECK(count > 0);
            out = out.subspan(static_cast<std::size_t>(count));
        }
    }
};

}  // namespace

Random& system_random() {
    static SystemRandom random;
    return random;
}

}  // namespace holdfast
