#include <gtest/gtest.h>

#include "format/attestation.h"
#include "format/chunk.h"
#include "format/config.h"
#include "format/index_fragment.h"
#include "format/key_slot.h"
#include "format/lease.h"
#include "format/node.h"
#include "format/restore_point.h"

namespace holdfast {
namespace {

ChunkId chunk_id(std::uint8_t number) {
    ChunkId id;
    id.bytes.fill(number);
    return id;
}

Entry file(std::string name, std::uint64_t inode, Content content, std::uint64_t size) {
    Entry entry;
    entry.name = std::move(name);
    entry.metadata.mode = 0644;
    entry.metadata.inode = inode;
    entry.metadata.mtime = 1'700'000'000'000'000'000;
    entry.metadata.ctime = 1'700'000'001'123'456'789 + static_cast<TimeNs>(inode);
    entry.metadata.size = size;
    entry.content = std::move(content);
    return entry;
}

// One entry of every kind, with every field that metadata has.
std::vector<Entry> rich_entries() {
    std::vector<Entry> entries;
    entries.push_back(file("a-inline", 1, InlineContent{{1, 2, 3}}, 3));
    entries.push_back(file("b-run", 2, RunContent{{{RunKind::data, chunk_id(1), 0, 1000}}}, 1000));
    entries.push_back(file("b-run2", 3, RunContent{{{RunKind::data, chunk_id(1), 1000, 5}}}, 5));
    entries.push_back(file("c-next", 4, RunContent{{{RunKind::data, chunk_id(2), 0, 7}}}, 7));
    entries.push_back(file("d-back", 5, RunContent{{{RunKind::data, chunk_id(1), 3, 4}}}, 4));
    entries.push_back(file("e-sparse", 6,
                           RunContent{{{RunKind::hole, {}, 0, 1u << 30},
                                       {RunKind::data, chunk_id(3), 9, 100},
                                       {RunKind::zeros, {}, 0, 4096}}},
                           (1u << 30) + 100 + 4096));
    entries.push_back(file("f-tree", 7, ExtentTree{chunk_id(4)}, 1ull << 40));
    entries.push_back(file("g-empty", 8, NoContent{}, 0));
    Entry directory = file("h-directory", 9, DirectoryTree{chunk_id(5)}, 0);
    directory.metadata.type = EntryType::directory;
    directory.metadata.mode = 02755;
    entries.push_back(directory);
    Entry inlined = directory;
    inlined.name = "i-inlined";
    inlined.content = InlineDirectory{{file("x", 10, InlineContent{{9}}, 1),
                                       file("xy", 11, NoContent{}, 0)}};
    entries.push_back(inlined);
    Entry link = file("j-link", 12, NoContent{}, 0);
    link.metadata.type = EntryType::symlink;
    link.metadata.target = "../somewhere";
    entries.push_back(link);
    Entry device = file("k-device", 13, NoContent{}, 0);
    device.metadata.type = EntryType::block_device;
    device.metadata.device = 0x801;
    device.metadata.uid = 4000000000u;
    device.metadata.gid = 7;
    entries.push_back(device);
    Entry special = file("l\xff\xfe", UINT64_MAX, NoContent{}, 0);
    special.metadata.xattrs = {{"security.capability", {1, 0, 0, 2}}, {"user.x", {}}};
    special.metadata.attributes = 0x10;
    special.metadata.file_system = 3;
    special.metadata.has_links = true;
    special.metadata.mtime = -5;
    special.metadata.ctime = INT64_MIN;
    entries.push_back(special);
    return entries;
}

TEST(NodeTest, DirectoryLeafRoundTrip) {
    DirectoryLeafWriter writer;
    const std::vector<Entry> entries = rich_entries();
    for (const Entry& entry : entries) writer.add(entry);
    const Bytes node = writer.finish();
    EXPECT_TRUE(writer.empty());
    EXPECT_EQ(decode_directory_leaf(node).value(), entries);
}

TEST(NodeTest, EveryTruncationAndManyFlipsOfALeafAreRefusedOrDecodeCleanly) {
    DirectoryLeafWriter writer;
    for (const Entry& entry : rich_entries()) writer.add(entry);
    const Bytes node = writer.finish();
    for (std::size_t size = 0; size < node.size(); ++size)
        EXPECT_FALSE(decode_directory_leaf(ByteSpan(node).first(size)).ok()) << size;
    for (std::size_t i = 0; i < node.size(); ++i) {
        for (const int bit : {1, 16, 128}) {
            Bytes flipped = node;
            flipped[i] = static_cast<std::uint8_t>(flipped[i] ^ bit);
            const auto decoded = decode_directory_leaf(flipped);
            if (!decoded.ok()) continue;
            for (const Entry& entry : *decoded) EXPECT_TRUE(is_valid_name(entry.name));
        }
    }
}

TEST(NodeTest, NamesThatLeaveADirectoryAreRefused) {
    for (const char* name : {"", ".", "..", "a/b"}) EXPECT_FALSE(is_valid_name(name));
    EXPECT_FALSE(is_valid_name(std::string_view("a\0b", 3)));
    EXPECT_TRUE(is_valid_name("..."));
}

TEST(NodeTest, InnerAndExtentNodesRoundTrip) {
    const InnerNode directories{2, {{chunk_id(1), "a", 0}, {chunk_id(2), "b", 0}}};
    EXPECT_EQ(decode_directory_inner(encode_directory_inner(directories)).value(), directories);
    const InnerNode extents{1, {{chunk_id(1), "", 100}, {chunk_id(2), "", 1ull << 50}}};
    EXPECT_EQ(decode_extent_inner(encode_extent_inner(extents)).value(), extents);
    EXPECT_FALSE(decode_extent_inner(encode_directory_inner(directories)).ok());
    const std::vector<holdfast::Run> runs{{RunKind::data, chunk_id(1), 4096, 8192},
                                {RunKind::data, chunk_id(2), 0, 4096},
                                {RunKind::hole, {}, 0, 1ull << 41},
                                {RunKind::data, chunk_id(1), 16384, 4096}};
    EXPECT_EQ(decode_extent_leaf(encode_extent_leaf(runs)).value(), runs);
}

EnvelopeTrailer trailer_of(const EnvelopeHeader& header) {
    EnvelopeTrailer trailer;
    trailer.header = header;
    trailer.body_bytes = 1000;
    trailer.table_bytes = 50;
    trailer.frame_count = 3;
    return trailer;
}

TEST(EnvelopeTest, HeaderAndTailRoundTripAndAnyFlipIsNoticed) {
    EnvelopeHeader header;
    header.kind = ObjectKind::data_pack;
    header.key_mode = KeyMode::symmetric;
    header.key_epoch = 1;
    header.key_block = Bytes(32, 7);
    Bytes tail;
    ByteWriter out(tail);
    encode_tail(trailer_of(header), out);
    const std::uint64_t object_bytes = 1000 + tail.size();
    EXPECT_EQ(decode_tail(tail, object_bytes).value().header, header);
    EXPECT_FALSE(decode_tail(tail, object_bytes + 1).ok());
    for (std::size_t i = 0; i < tail.size(); ++i) {
        Bytes flipped = tail;
        flipped[i] ^= 1;
        const auto decoded = decode_tail(flipped, object_bytes);
        EXPECT_FALSE(decoded.ok() && decoded->check_holds) << i;
    }
}

TEST(EnvelopeTest, NewerVersionsAndUnknownRequiredFeaturesAreUnsupported) {
    EnvelopeHeader header;
    Bytes data;
    ByteWriter out(data);
    encode_header(header, out);
    Bytes newer = data;
    newer[4] = 2;
    EXPECT_EQ(decode_header(newer).error().code(), ErrorCode::unsupported);
    Bytes needs = data;
    needs[8] = 1;
    EXPECT_EQ(decode_header(needs).error().code(), ErrorCode::unsupported);
    Bytes optional = data;
    optional[16] = 1;
    EXPECT_TRUE(decode_header(optional).ok());
}

TEST(EnvelopeTest, TableRoundTrip) {
    ObjectTable table;
    table.chunks.push_back({chunk_id(1), ChunkPurpose::node, 5000, 0, {1200}, {}});
    table.chunks.push_back({chunk_id(2), ChunkPurpose::data, 100000, 16, {70, 80}, {{0, 5}, {70000, 30000}}});
    table.record_frame_bytes = {300};
    Bytes data;
    ByteWriter out(data);
    encode_table(table, out);
    EXPECT_EQ(decode_table(data).value(), table);
    data.pop_back();
    EXPECT_FALSE(decode_table(data).ok());
}

TEST(ChunkTest, HeaderRoundTripAndLengthsMustAddUp) {
    ChunkHeader header;
    header.members.lengths = {10, 0, 20};
    header.absent = {{1, Digest{}}};
    Bytes data;
    ByteWriter out(data);
    encode_chunk_header(header, out);
    ByteReader in(data);
    EXPECT_EQ(decode_chunk_header(in, 30).value(), header);
    ByteReader again(data);
    EXPECT_FALSE(decode_chunk_header(again, 31).ok());
}

TEST(ChunkTest, IdsTellPurposesAndBoundariesApart) {
    const SecretKey key;
    const auto id = [&key](ChunkPurpose purpose, std::vector<std::uint64_t> lengths) {
        ChunkIdBuilder builder(purpose);
        for (const std::uint64_t length : lengths) builder.add(length, Digest{});
        return builder.finish(key);
    };
    EXPECT_NE(id(ChunkPurpose::data, {1}), id(ChunkPurpose::node, {1}));
    EXPECT_NE(id(ChunkPurpose::data, {1, 2}), id(ChunkPurpose::data, {2, 1}));
    EXPECT_NE(id(ChunkPurpose::data, {3}), id(ChunkPurpose::data, {3, 0}));
}

TEST(RestorePointTest, RoundTrip) {
    RestorePointRecord record;
    record.source = "files:/home";
    record.host = "web1";
    record.name = "home";
    record.tags = {"daily", "x"};
    record.type = BackupType::differential;
    record.stats.files = 12;
    record.skipped_paths = {"a/b"};
    record.root = file("/", 2, DirectoryTree{chunk_id(9)}, 0);
    record.root.metadata.type = EntryType::directory;
    const Bytes data = encode_restore_point(record);
    EXPECT_EQ(decode_restore_point(data).value(), record);
    for (std::size_t size = 0; size < data.size(); ++size)
        EXPECT_FALSE(decode_restore_point(ByteSpan(data).first(size)).ok());
}

TEST(IndexFragmentTest, RoundTripAndOrderIsChecked) {
    IndexFragmentRecord record;
    record.tier = 1;
    record.supersedes = {ObjectId{}};
    Container container;
    container.header.kind = ObjectKind::data_pack;
    container.header.key_mode = KeyMode::symmetric;
    container.header.key_block = Bytes(32, 1);
    container.object_bytes = 100000;
    record.containers = {container};
    record.chunks = {
        {{chunk_id(1), ChunkPurpose::data, 5000, 0, {1200}, {{100, 200}}}, 0, 0, 96},
        {{chunk_id(2), ChunkPurpose::data, 131072, 16, {10, 20}, {}}, 0, 1, 1296}};
    record.points = {{SourceId{}, 5, RestorePointId{}, 99, {1, 2, 3}}};
    EXPECT_EQ(decode_index_fragment(encode_index_fragment(record)).value(), record);
    std::swap(record.chunks[0], record.chunks[1]);
    EXPECT_FALSE(decode_index_fragment(encode_index_fragment(record)).ok());
}

TEST(IndexFragmentTest, LocationsBeyondTheirContainerAreRefused) {
    IndexFragmentRecord record;
    Container container;
    container.header.kind = ObjectKind::metadata_pack;
    container.header.key_mode = KeyMode::symmetric;
    container.header.key_block = Bytes(32, 1);
    container.object_bytes = 1000;
    record.containers = {container};
    record.chunks = {{{chunk_id(1), ChunkPurpose::node, 5000, 0, {101}, {}}, 0, 0, 900}};
    EXPECT_FALSE(decode_index_fragment(encode_index_fragment(record)).ok());
}

TEST(LeaseTest, RecordsRoundTrip) {
    const LeaseRecord lease{SessionId{}, 3, 4, 5, "host", "machine", "boot", 77, 88};
    EXPECT_EQ(decode_lease(encode_lease(lease)).value(), lease);
    const FenceRecord fence{SessionId{}, 9};
    EXPECT_EQ(decode_fence(encode_fence(fence)).value(), fence);
    const TombstoneRecord tombstone{
        1, {ObjectId{}}, {chunk_id(1), chunk_id(2)}, true, {SessionId{}, SessionId{}}};
    EXPECT_EQ(decode_tombstone(encode_tombstone(tombstone)).value(), tombstone);
    const MarkRecord mark{MarkKind::held, RestorePointId{}, 4, "audit"};
    EXPECT_EQ(decode_mark(encode_mark(mark)).value(), mark);
}

TEST(AttestationTest, WhatReadAllAgainCoversWhatWasFoundBefore) {
    AttestationRecord found;
    found.has_read_data = true;
    found.time = 100;
    found.problems = 3;
    AttestationRecord later = found;
    later.time = 200;
    later.problems = 0;
    later.data_bytes = 1000;
    later.never_read_bytes = 10;
    EXPECT_FALSE(later.covers(found)) << "a part";
    later.never_read_bytes = 0;
    later.oldest_read = 90;
    EXPECT_FALSE(later.covers(found)) << "some of it was read before";
    later.oldest_read = 101;
    EXPECT_TRUE(later.covers(found));
    EXPECT_FALSE(found.covers(later));
    later.has_read_data = false;
    EXPECT_FALSE(later.covers(found)) << "it has read nothing";
    found.has_read_data = false;
    EXPECT_TRUE(later.covers(found)) << "what needs no data was looked at again";
    found.kind = AttestationKind::locks;
    EXPECT_FALSE(later.covers(found));
}

TEST(AttestationTest, RecordsRoundTripAndNothingElseIsTaken) {
    AttestationRecord key;
    key.kind = AttestationKind::recovery_key;
    key.time = 7;
    key.host = "web1";
    key.slot.bytes.fill(9);
    EXPECT_EQ(decode_attestation(encode_attestation(key)).value(), key);
    AttestationRecord check;
    check.time = 8;
    check.host = "web1";
    EXPECT_EQ(decode_attestation(encode_attestation(check)).value(), check);
    check.has_read_data = true;
    check.problems = 3;
    check.data_bytes = 1000;
    check.never_read_bytes = 1000;
    check.oldest_read = 5;
    check.damaged_points = {RestorePointId{}, RestorePointId{}};
    EXPECT_EQ(decode_attestation(encode_attestation(check)).value(), check);
    check.never_read_bytes = 1001;
    EXPECT_EQ(decode_attestation(encode_attestation(check)).error().code(), ErrorCode::corrupt);
    AttestationRecord locks;
    locks.kind = AttestationKind::locks;
    locks.unprotected = 300;
    EXPECT_EQ(decode_attestation(encode_attestation(locks)).value(), locks);
    Bytes data = encode_attestation(key);
    data.push_back(0);
    EXPECT_EQ(decode_attestation(data).error().code(), ErrorCode::corrupt);
    data.front() = 4;
    EXPECT_EQ(decode_attestation(data).error().code(), ErrorCode::unsupported);
}

}  // namespace
}  // namespace holdfast
