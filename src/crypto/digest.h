// BLAKE3-256, keyed and plain. Same results on every processor; the fastest code for the machine is
// chosen at run time. Source: the BLAKE3 paper (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020).
#pragma once

#include <array>
#include <compare>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace holdfast {

struct Digest {
    std::array<std::uint8_t, 32> bytes{};
    auto operator<=>(const Digest&) const = default;
};

Digest plain_hash(ByteSpan data);
Digest keyed_hash(const SecretKey& key, ByteSpan data);

// A key of its own for each use: `context` is a constant of the program, `material` the secret.
SecretKey derive_key(std::string_view context, ByteSpan material);

// Hashes data that comes in pieces. Movable, not thread-safe.
class Hasher {
  public:
    Hasher();                              // plain
    explicit Hasher(const SecretKey& key);  // keyed
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    ~Hasher();

    void update(ByteSpan data);
    Digest finish() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Keyed hashes of equal pages: out[i] == keyed_hash(key, page i). Faster than one by one, because
// the processor's vector lanes work on several pages at once.
// page_bytes is a power of two from 4 KiB to 64 KiB; data.size() == out.size() * page_bytes.
void keyed_hash_pages(const SecretKey& key,
                      ByteSpan data,
                      std::size_t page_bytes,
                      std::span<Digest> out);

}  // namespace holdfast
