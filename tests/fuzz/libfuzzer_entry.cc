// What libFuzzer calls; HF_FUZZ_TARGET is the target's function.
#include <cstddef>
#include <cstdint>

#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    holdfast::HF_FUZZ_TARGET({data, size});
    return 0;
}
