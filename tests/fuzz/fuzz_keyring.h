// A keyring that is the same in every run, so that headers with its commitments can be seeds.
#pragma once

#include "repository/keyring.h"

namespace holdfast {

inline const Keyring& fuzz_keyring() {
    static const Keyring keyring = [] {
        FullSecrets secrets;
        secrets.wrapping_key = derive_key("holdfast fuzz wrapping key", {});
        secrets.agreement_key = derive_key("holdfast fuzz agreement key", {});
        secrets.writer.seal_key = agreement_public_key(secrets.agreement_key);
        RepositoryId repository;
        repository.bytes.fill(0x11);
        return Keyring(repository, std::vector{secrets});
    }();
    return keyring;
}

}  // namespace holdfast
