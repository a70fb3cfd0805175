#include "restore/object_put.h"

#include <algorithm>
#include <cstring>

#include "repository/tree_reader.h"
#include "restore/object_content.h"
#include "s3/object_attributes.h"
#include "s3/upload.h"

namespace holdfast {
namespace {

Result<std::vector<HttpHeader>> headers_for(const Metadata& metadata, const S3Location& location) {
    std::vector<HttpHeader> headers;
    for (const ExtendedAttribute& one : metadata.xattrs) {
        HF_TRY(std::vector<HttpHeader> own, headers_of({one.name, std::string(as_text(one.value))}));
        headers.insert(headers.end(), own.begin(), own.end());
    }
    if (!location.storage_class.empty()) {
        std::erase_if(headers, [](const HttpHeader& header) { return header.name == storage_class_header; });
        headers.push_back({std::string(storage_class_header), location.storage_class});
    }
    return headers;
}

}  // namespace

std::string attribute_value(const Metadata& metadata, std::string_view name) {
    for (const ExtendedAttribute& one : metadata.xattrs)
        if (one.name == name) return std::string(as_text(one.value));
    return "";
}

void ObjectPutter::read_small(std::span<const ObjectToPut> objects,
                              std::vector<Bytes>& contents,
                              std::vector<Status>& results) {
    std::vector<ContentPiece> pieces;
    for (std::size_t i = 0; i < objects.size(); ++i) {
        const Entry& entry = objects[i].entry;
        if (const auto* const content = std::get_if<InlineContent>(&entry.content)) {
            contents[i] = content->data;
            continue;
        }
        contents[i].resize(static_cast<std::size_t>(entry.metadata.size));
        std::uint64_t offset = 0;
        results[i] = for_each_run(chunks_, entry, [&](const Run& run) -> Status {
            if (offset + run.bytes > entry.metadata.size)
                return Error(ErrorCode::corrupt, entry.name + ": longer than it says");
            if (run.kind == RunKind::data) pieces.push_back({run, i, offset});
            offset += run.bytes;
            return {};
        });
    }
    std::vector<WantedChunk> wanted;
    for (const ContentPiece& piece : pieces)
        wanted.push_back({piece.run.chunk, {piece.run.chunk_offset, static_cast<std::uint32_t>(piece.run.bytes)}});
    std::vector<ContentPiece> sorted;
    for (const PlacedChunk& placed : order_by_place(wanted, index_)) sorted.push_back(pieces[placed.number]);
    read_pieces(chunks_, index_, sorted, [&](const ContentPiece& piece, Result<ByteSpan> data) {
        if (!data.ok()) results[piece.file] = data.error();
        else std::memcpy(contents[piece.file].data() + piece.offset, data->data(), data->size());
    });
}

std::vector<Status> ObjectPutter::put_small(std::span<const ObjectToPut> objects) {
    std::vector<Status> results(objects.size());
    std::vector<Bytes> contents(objects.size());
    read_small(objects, contents, results);
    std::vector<std::unique_ptr<S3Call>> calls(objects.size());
    for (std::size_t i = 0; i < objects.size(); ++i) {
        if (!results[i].ok()) continue;
        auto headers = headers_for(objects[i].entry.metadata, client_.location());
        if (!headers.ok()) {
            results[i] = headers.error();
            continue;
        }
        S3Request put;
        put.method = "PUT";
        put.key = objects[i].key;
        put.headers = std::move(*headers);
        put.body = contents[i];
        calls[i] = client_.start(std::move(put));
    }
    for (std::size_t i = 0; i < objects.size(); ++i) {
        if (!calls[i]) continue;
        const auto answered = calls[i]->wait();
        if (!answered.ok()) results[i] = answered.error();
    }
    return results;
}

Status ObjectPutter::put(const ObjectToPut& object) {
    const Metadata& metadata = object.entry.metadata;
    S3UploadOptions options;
    HF_TRY(const std::vector<HttpHeader> headers, headers_for(metadata, client_.location()));
    options.headers = [&headers] { return headers; };
    options.part_bytes = S3Upload::part_bytes_like(attribute_value(metadata, etag_attribute), metadata.size)
                             .value_or(S3Upload::part_bytes_for(metadata.size));
    S3Upload upload(client_, object.key, std::move(options));
    HF_TRY_STATUS(stream_content(chunks_, index_, object.entry, [&upload](ByteSpan data) { return upload.append(data); }));
    HF_TRY_STATUS(upload.commit());
    // Ceph's gateway forgets the tags that an upload of parts begins with.
    const std::string tags = attribute_value(metadata, tags_attribute);
    return upload.has_parts() && !tags.empty() ? put_tags(client_, object.key, tags) : Status();
}

Status ObjectPutter::remove(const std::string& key) {
    S3Request request;
    request.method = "DELETE";
    request.key = key;
    HF_TRY_STATUS(client_.call(std::move(request)));
    return {};
}

}  // namespace holdfast
