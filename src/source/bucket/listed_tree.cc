#include "source/bucket/listed_tree.h"

namespace holdfast {
namespace {

// Sorts before every name, so that what is below a directory follows it at once.
constexpr char between_names = '\0';

// The names, each with what is between names behind it, once more of that, and the rest.
std::string encode(const ListedObject& object) {
    Bytes rest;
    ByteWriter writer(rest);
    writer.varint(object.bytes);
    writer.signed_varint(object.modified);
    writer.sized_text(object.etag);
    writer.sized_text(object.version);
    writer.u8(object.is_delete_marker ? 1 : 0);
    std::string text;
    for (const std::string& name : object.path) text += name + between_names;
    text += between_names;
    return text.append(as_text(rest));
}

Status decode(std::string_view text, ListedObject& object) {
    object.path.clear();
    std::size_t end = 0;
    while ((end = text.find(between_names)) != 0) {
        HF_CHECK(end != std::string_view::npos);
        object.path.emplace_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    ByteReader reader(as_bytes(text.substr(1)));
    object.bytes = reader.varint();
    object.modified = reader.signed_varint();
    object.etag = reader.sized_text();
    object.version = reader.sized_text();
    object.is_delete_marker = reader.u8() != 0;
    if (!reader.complete()) return Error(ErrorCode::internal, "what was listed did not come back from its temporary file");
    return {};
}

}  // namespace

Status ListedTree::sort(const ListedObject& object) { return sorter_.add(encode(object)); }

Status ListedTree::release(const S3Object& object, KeyPathKind role) {
    return sort({path_of_key(object.key, role), object.bytes, object.modified, object.etag, {}, false});
}

// Lets go of the keys for which `key` tells whether they are directories too. One that is waiting is the beginning of
// `key`, or nothing of what follows begins with it; and what follows with a byte below '/' leaves it open.
Status ListedTree::meet_key(const std::string& key) {
    while (!waiting_.empty()) {
        const std::string& beginning = waiting_.back().key;
        const bool is_above = key.size() > beginning.size() && key.starts_with(beginning);
        const auto follows = static_cast<unsigned char>(is_above ? key[beginning.size()] : 0xFF);
        if (is_above && follows < '/') return {};
        HF_TRY_STATUS(release(waiting_.back(), is_above && follows == '/' ? KeyPathKind::object_beside_directory
                                                                          : KeyPathKind::object));
        waiting_.pop_back();
    }
    return {};
}

Status ListedTree::add(S3Object object) {
    HF_TRY_STATUS(meet_key(object.key));
    waiting_.push_back(std::move(object));
    return {};
}

Status ListedTree::add(S3Version version) {
    const std::string& key = version.object.key;
    const std::string name = version_names_.next(key, version.object.modified, version.is_delete_marker);
    if (version.is_latest && !version.is_delete_marker) return add(std::move(version.object));
    // The key that is waiting is this one's own: its current version came before.
    if (waiting_.empty() || waiting_.back().key != key) HF_TRY_STATUS(meet_key(key));
    std::vector<std::string> path = path_of_key(key, KeyPathKind::versions);
    path.push_back(name);
    return sort({std::move(path), version.object.bytes, version.object.modified, version.object.etag,
                 std::move(version.id), version.is_delete_marker});
}

Status ListedTree::finish() {
    for (; !waiting_.empty(); waiting_.pop_back()) HF_TRY_STATUS(release(waiting_.back(), KeyPathKind::object));
    return sorter_.finish();
}

Result<bool> ListedTree::next(ListedObject& object) {
    std::string text;
    HF_TRY(const bool is_there, sorter_.next(text));
    if (!is_there) return false;
    HF_TRY_STATUS(decode(text, object));
    return true;
}

}  // namespace holdfast
