// Input: an inner node of directories or of extents.
#include "format/node.h"
#include "targets.h"

namespace holdfast {

void fuzz_inner_node(ByteSpan input) {
    const auto type = node_type(input);
    const auto directories = decode_directory_inner(input);
    if (directories.ok()) {
        HF_CHECK(*type == NodeType::directory_inner && !directories->children.empty());
        for (std::size_t i = 1; i < directories->children.size(); ++i)
            HF_CHECK(directories->children[i - 1].last_name < directories->children[i].last_name);
        HF_CHECK(decode_directory_inner(encode_directory_inner(*directories)).value() ==
                 *directories);
    }
    const auto extents = decode_extent_inner(input);
    if (extents.ok()) {
        HF_CHECK(*type == NodeType::extent_inner && !extents->children.empty());
        HF_CHECK(decode_extent_inner(encode_extent_inner(*extents)).value() == *extents);
    }
}

}  // namespace holdfast
