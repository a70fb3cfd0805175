// SHA-256, HMAC and MD5: what other systems' protocols ask for. The format itself uses BLAKE3 (digest.h).
// FIPS 180-4, RFC 2104, RFC 1321.
#pragma once

#include <array>

#include "base/bytes.h"

namespace holdfast {

std::array<std::uint8_t, 32> sha256(ByteSpan data);
std::array<std::uint8_t, 32> hmac_sha256(ByteSpan key, ByteSpan data);
// Not for security: a check of what is transferred, where a server knows nothing better.
std::array<std::uint8_t, 16> md5(ByteSpan data);

}  // namespace holdfast
