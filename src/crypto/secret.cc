#include "crypto/secret.h"

#include <sodium.h>

namespace holdfast {

void wipe(MutableByteSpan data) {
    sodium_memzero(data.data(), data.size());
}

bool SecretKey::equals(const SecretKey& other) const {
    return sodium_memcmp(bytes_.data(), other.bytes_.data(), size) == 0;
}

}  // namespace holdfast
