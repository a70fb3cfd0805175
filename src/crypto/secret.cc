#include "crypto/secret.h"

#include <sodium.h>

namespace holdfast {

void wipe(MutableByteSpan data) {
    sodium_memzero(data.data(), data.size());
}

void wipe(std::string& text) {
    wipe(MutableByteSpan(reinterpret_cast<std::uint8_t*>(text.data()), text.size()));
}

bool SecretKey::equals(const SecretKey& other) const {
    return sodium_memcmp(bytes_.data(), other.bytes_.data(), size) == 0;
}

}  // namespace holdfast
