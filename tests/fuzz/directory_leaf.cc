// Input: a directory leaf.
#include "format/node.h"
#include "targets.h"

namespace holdfast {
namespace {

void check_content(const Entry& entry);

void check_entries(const std::vector<Entry>& entries) {
    const std::string* previous = nullptr;
    for (const Entry& entry : entries) {
        HF_CHECK(is_valid_name(entry.name) && (previous == nullptr || *previous < entry.name));
        previous = &entry.name;
        check_content(entry);
    }
}

void check_content(const Entry& entry) {
    const bool is_file = entry.metadata.type == EntryType::file;
    HF_CHECK(is_file || entry.metadata.size == 0);
    if (const auto* data = std::get_if<InlineContent>(&entry.content)) {
        HF_CHECK(is_file && data->data.size() == entry.metadata.size &&
                 data->data.size() <= max_inline_bytes);
    } else if (const auto* content = std::get_if<RunContent>(&entry.content)) {
        std::uint64_t sum = 0;
        for (const Run& run : content->runs) {
            HF_CHECK(run.bytes > 0);
            sum += run.bytes;
        }
        HF_CHECK(is_file && sum == entry.metadata.size);
    } else if (const auto* directory = std::get_if<InlineDirectory>(&entry.content)) {
        HF_CHECK(entry.metadata.type == EntryType::directory);
        check_entries(directory->entries);
    }
}

}  // namespace

void fuzz_directory_leaf(ByteSpan input) {
    const auto entries = decode_directory_leaf(input);
    if (!entries.ok()) return;
    check_entries(*entries);
    DirectoryLeafWriter writer;
    for (const Entry& entry : *entries) writer.add(entry);
    HF_CHECK(decode_directory_leaf(writer.finish()).value() == *entries);
}

}  // namespace holdfast
