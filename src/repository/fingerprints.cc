#include "repository/fingerprints.h"

namespace holdfast {

ChunkId fingerprints_id(const Keyring& keyring, const ChunkId& chunk) {
    Bytes message{static_cast<std::uint8_t>(ChunkPurpose::fingerprints)};
    message.insert(message.end(), chunk.bytes.begin(), chunk.bytes.end());
    return {keyed_hash(keyring.id_key(), message).bytes};
}

}  // namespace holdfast
