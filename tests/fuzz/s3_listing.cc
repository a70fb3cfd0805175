// Input: what a service answers to a listing of a bucket.
#include "s3/listing.h"

#include "targets.h"

namespace holdfast {

void fuzz_s3_listing(ByteSpan input) {
    if (const auto page = parse_listing(input, "p/"); page.ok())
        for (std::size_t i = 0; i < page->objects.size(); ++i) {
            HF_CHECK(page->objects[i].key.starts_with("p/"));
            HF_CHECK(i == 0 || page->objects[i - 1].key < page->objects[i].key);
        }
    if (const auto page = parse_version_listing(input, "p/"); page.ok()) {
        for (std::size_t i = 0; i < page->versions.size(); ++i) {
            HF_CHECK(page->versions[i].object.key.starts_with("p/") && !page->versions[i].id.empty());
            HF_CHECK(i == 0 || page->versions[i - 1].object.key <= page->versions[i].object.key);
        }
        HF_CHECK(!page->goes_on || !page->next_key.empty());
    }
    (void)parse_uploads(input).ok();
}

}  // namespace holdfast
