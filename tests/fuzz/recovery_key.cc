// Input: a recovery key as somebody typed it; or a secret (32 bytes), and where blanks slip in.
#include "api/repository_access.h"
#include "targets.h"

namespace holdfast {

void fuzz_recovery_key(ByteSpan input) {
    const auto secret = parse_recovery_key(std::string(as_text(input)));
    if (secret.ok())
        HF_CHECK(parse_recovery_key(format_recovery_key(*secret)).value().equals(*secret));
    ByteReader in(input);
    const SecretKey drawn(in.array<32>());
    if (!in.ok()) return;
    std::string text = format_recovery_key(drawn);
    while (in.remaining() > 0) {
        const std::size_t at = 5 + in.u8() % (text.size() - 4);
        text.insert(at, 1, in.u8() % 2 == 0 ? ' ' : '-');
    }
    HF_CHECK(parse_recovery_key(text).value().equals(drawn));
}

}  // namespace holdfast
