// Writes the seeds of the fuzz targets: what the encoders make of small, rich examples.
// usage: make-seeds CORPUS
// Run it again when a format changes; seeds that were found by fuzzing have other names and stay.
#include <algorithm>
#include <cstdio>
#include <string>

#include "api/repository_access.h"
#include "base/file_io.h"
#include "format/attestation.h"
#include "format/client.h"
#include "format/config.h"
#include "format/key_epoch.h"
#include "format/lease.h"
#include "format/node.h"
#include "format/restore_point.h"
#include "fuzz_keyring.h"
#include "repository/compression.h"
#include "repository/index.h"
#include "repository/repository.h"
#include "storage/sftp/sftp_packet.h"

namespace holdfast {
namespace {

// Bytes 1, 2, 3, ...: the seeds are the same in every run.
class Counting final : public Random {
  public:
    void fill(MutableByteSpan out) override {
        for (std::uint8_t& byte : out) byte = ++last_;
    }

  private:
    std::uint8_t last_ = 0;
};

class SeedWriter {
  public:
    explicit SeedWriter(std::string corpus) : corpus_(std::move(corpus)) {}

    void write(const std::string& target, const std::string& name, ByteSpan data) {
        const std::string folder = corpus_ + '/' + target;
        Status status = make_directories(folder, 0755);
        if (status.ok()) status = replace_file(folder + "/seed-" + name, data, 0644);
        if (status.ok()) return;
        std::fprintf(stderr, "make-seeds: %s\n", status.error().describe().c_str());
        failed_ = true;
    }
    void write(const std::string& target, const std::string& name, std::string_view text) {
        write(target, name, as_bytes(text));
    }
    bool failed() const { return failed_; }

  private:
    std::string corpus_;
    bool failed_ = false;
};

template <typename Encode>
Bytes encoded(Encode encode) {
    Bytes data;
    ByteWriter out(data);
    encode(out);
    return data;
}

ChunkId chunk_id(std::uint8_t number) {
    ChunkId id;
    id.bytes.fill(number);
    return id;
}

ObjectId object_id(std::uint8_t number) {
    ObjectId id;
    id.bytes.fill(number);
    return id;
}

EnvelopeHeader header_of(ObjectKind kind) {
    Counting random;
    return fuzz_keyring().new_object(kind, random).header;
}

// As a write-only client makes it.
EnvelopeHeader sealed_header() {
    Counting random;
    const Keyring writer(fuzz_keyring().repository(), fuzz_keyring().writer());
    return writer.new_object(ObjectKind::data_pack, random).header;
}

ObjectTable example_table() {
    ObjectTable table;
    table.chunks.push_back({chunk_id(1), ChunkPurpose::node, 5000, 0, {1200}, {}});
    table.chunks.push_back({chunk_id(2), ChunkPurpose::data, 100000, 16, {70, 80}, {{0, 5}, {70000, 30000}}});
    table.chunks.push_back({chunk_id(3), ChunkPurpose::fingerprints, 1 << 12, 12, {4000}, {}});
    table.record_frame_bytes = {300};
    return table;
}

void write_header_seeds(SeedWriter& seeds, const char* name, const EnvelopeHeader& header) {
    seeds.write(
        "envelope_header", name, encoded([&](ByteWriter& out) { encode_header(header, out); }));
    EnvelopeTrailer trailer;
    trailer.header = header;
    trailer.body_bytes = 1000;
    trailer.table_bytes = 50;
    trailer.frame_count = 3;
    trailer.parity = {1, 20, 2, 4096};
    trailer.extra_bytes = 64;
    const std::uint64_t object_bytes =
        trailer.body_bytes + trailer.extra_bytes + header.encoded_bytes() + trailer.fixed_bytes;
    seeds.write("envelope_tail", name, encoded([&](ByteWriter& out) {
                    out.u64(object_bytes << 1);
                    encode_tail(trailer, out);
                }));
}

void write_envelope_seeds(SeedWriter& seeds) {
    write_header_seeds(seeds, "clear", EnvelopeHeader{});
    write_header_seeds(seeds, "symmetric", header_of(ObjectKind::data_pack));
    write_header_seeds(seeds, "sealed", sealed_header());
    seeds.write("object_table", "empty", encoded([](ByteWriter& out) { encode_table({}, out); }));
    seeds.write("object_table", "chunks", encoded([](ByteWriter& out) {
                    encode_table(example_table(), out);
                }));
    seeds.write("object_table", "signed", encoded([](ByteWriter& out) {
                    ObjectTable table = example_table();
                    table.signature = ObjectSignature{{{7}}, 2, {9}};
                    encode_table(table, out);
                }));
}

ConfigRecord example_config() {
    ConfigRecord config;
    config.repository = fuzz_keyring().repository();
    config.created = 1'700'000'000 * ns_per_second;
    const SecretKey master = derive_key("holdfast fuzz master key", {});
    config.full_bundle = seal_full_bundle(fuzz_keyring().full(), master, config.associated_data());
    config.writer_bundle = seal_writer_bundle(fuzz_keyring().writer(), master, config.associated_data());
    return config;
}

Bytes example_key_slot(KeySlotType type, bool has_certificate = false) {
    const SecretKey secret = derive_key("holdfast fuzz slot secret", {});
    KeySlotRecord slot;
    slot.id = key_slot_id_of(secret, type);
    slot.type = type;
    slot.label = "laptop";
    lock_key_slot(
        slot, secret, derive_key("holdfast fuzz master key", {}), fuzz_keyring().repository());
    if (has_certificate)
        certify_key_slot(slot, secret, 2, fuzz_keyring().full().signing_key(), fuzz_keyring().repository());
    return encoded([&](ByteWriter& out) { encode_key_slot(slot, out); });
}

Bytes example_key_epoch() {
    Counting random;
    const RepositoryId& repository = fuzz_keyring().repository();
    const SecretKey master = derive_key("holdfast fuzz master key", {});
    KeyEpochRecord epoch;
    epoch.epoch = 2;
    epoch.full_bundle = seal_full_bundle(fuzz_keyring().full(), master, epoch.associated_data(repository));
    epoch.writer_bundle = seal_writer_bundle(fuzz_keyring().writer(), master, epoch.associated_data(repository));
    seal_previous_master(epoch, master, master, repository);
    for (std::uint8_t i = 1; i < 3; ++i) {
        KeyEpochSlot slot;
        slot.id.bytes.fill(i);
        slot.role = static_cast<KeyRole>(i);
        slot.seal_key = fuzz_keyring().writer().seal_key;
        HF_CHECK(seal_to_slot(epoch, slot, master, repository, random).ok());
        epoch.slots.push_back(slot);
    }
    sign_key_epoch(epoch, fuzz_keyring().full().signing_key(), repository);
    return encoded([&](ByteWriter& out) { encode_key_epoch(epoch, out); });
}

void write_clear_seeds(SeedWriter& seeds) {
    const Bytes config = encoded([](ByteWriter& out) { encode_config(example_config(), out); });
    const Bytes slot = example_key_slot(KeySlotType::key_file);
    seeds.write("config", "default", config);
    seeds.write("key_slot", "key-file", slot);
    seeds.write("key_slot", "passphrase", example_key_slot(KeySlotType::passphrase));
    seeds.write("key_slot", "certified", example_key_slot(KeySlotType::key_file, true));
    seeds.write("key_epoch", "two-slots", example_key_epoch());
    ClientRecord client;
    client.label = "web server";
    client.host = "web1";
    seeds.write("client", "added", encode_client(client));
    client.is_removed = true;
    client.points = {object_id(1), object_id(2)};
    seeds.write("client", "removed", encode_client(client));
    Counting random;
    const RepositoryId& repository = fuzz_keyring().repository();
    seeds.write("clear_object",
                "config",
                encode_clear_object(ObjectKind::config, repository, config, random));
    seeds.write("clear_object",
                "key-slot",
                encode_clear_object(ObjectKind::key_slot, repository, slot, random));
    seeds.write("clear_object",
                "compressible",
                encode_clear_object(ObjectKind::config, repository, Bytes(3000, 7), random));
    for (const std::size_t bytes : {0u, 100u, 2000u}) {
        Bytes noise(bytes);
        random.fill(noise);
        seeds.write("object_mender", "object-" + std::to_string(bytes),
                    encode_clear_object(ObjectKind::key_slot, repository, noise, random));
    }
    seeds.write(
        "clear_object", "empty", encode_clear_object(ObjectKind::key_slot, repository, {}, random));
}

void write_chunk_seeds(SeedWriter& seeds) {
    const auto write = [&](const char* name, std::uint32_t raw_bytes, const ChunkHeader& header) {
        seeds.write("chunk_header", name, encoded([&](ByteWriter& out) {
                        out.u32(raw_bytes);
                        encode_chunk_header(header, out);
                    }));
    };
    ChunkHeader single, pages, lengths;
    pages.members.uniform_bytes = 16384;
    pages.absent = {{3, Digest{}}, {60, Digest{}}};
    lengths.members.lengths = {10, 0, 20};
    lengths.absent = {{1, Digest{}}};
    write("single", 1000, single);
    write("pages", 1 << 20, pages);
    write("lengths", 30, lengths);
    Compressor compressor(CompressionLevel::standard);
    for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
             {"empty", ""}, {"incompressible", "abc"}, {"text", std::string(500, 'x') + "tail"}}) {
        Bytes data;
        ByteWriter(data).u16(static_cast<std::uint16_t>(text.size()));
        compressor.append(as_bytes(text), data);
        seeds.write("decompress", name, data);
    }
}

Entry example_file(std::string name, std::uint64_t inode, Content content, std::uint64_t size) {
    Entry entry;
    entry.name = std::move(name);
    entry.metadata.mode = 0644;
    entry.metadata.inode = inode;
    entry.metadata.mtime = 1'700'000'000 * ns_per_second;
    entry.metadata.ctime = entry.metadata.mtime + static_cast<TimeNs>(inode);
    entry.metadata.size = size;
    entry.content = std::move(content);
    return entry;
}

Entry example_other(std::string name, std::uint64_t inode, EntryType type, Content content) {
    Entry entry = example_file(std::move(name), inode, std::move(content), 0);
    entry.metadata.type = type;
    return entry;
}

// One entry of every kind of content, with every field that metadata has.
std::vector<Entry> example_entries() {
    std::vector<Entry> entries;
    entries.push_back(example_file("a-inline", 1, InlineContent{{1, 2, 3}}, 3));
    entries.push_back(
        example_file("b-run", 2, RunContent{{{RunKind::data, chunk_id(1), 0, 1000}}}, 1000));
    entries.push_back(
        example_file("b-run2", 3, RunContent{{{RunKind::data, chunk_id(1), 1000, 5}}}, 5));
    entries.push_back(
        example_file("c-next", 4, RunContent{{{RunKind::data, chunk_id(2), 0, 7}}}, 7));
    entries.push_back(example_file("e-sparse",
                                   6,
                                   RunContent{{{RunKind::hole, {}, 0, 1u << 30},
                                               {RunKind::data, chunk_id(1), 9, 100},
                                               {RunKind::zeros, {}, 0, 4096}}},
                                   (1u << 30) + 100 + 4096));
    entries.push_back(example_file("f-tree", 7, ExtentTree{chunk_id(4)}, 1ull << 40));
    entries.push_back(
        example_other("h-directory", 9, EntryType::directory, DirectoryTree{chunk_id(5)}));
    entries.push_back(example_other(
        "i-inlined",
        9,
        EntryType::directory,
        InlineDirectory{{example_file("x", 10, InlineContent{{9}}, 1),
                         example_other("xy", 11, EntryType::directory, InlineDirectory{})}}));
    entries.push_back(example_other("j-link", 12, EntryType::symlink, NoContent{}));
    entries.back().metadata.target = "../somewhere";
    entries.push_back(example_other("k-device", 13, EntryType::block_device, NoContent{}));
    entries.back().metadata.device = 0x801;
    entries.push_back(example_file("l\xff", UINT64_MAX, NoContent{}, 0));
    Metadata& special = entries.back().metadata;
    special.xattrs = {{"security.capability", {1, 0, 0, 2}}, {"user.x", {}}};
    special.attributes = 0x10;
    special.file_system = 3;
    special.has_links = true;
    special.mtime = -5;
    special.ctime = INT64_MIN;
    return entries;
}

void write_node_seeds(SeedWriter& seeds) {
    DirectoryLeafWriter leaf;
    seeds.write("directory_leaf", "empty", leaf.finish());
    for (const Entry& entry : example_entries()) {
        DirectoryLeafWriter single;
        single.add(entry);
        seeds.write("directory_leaf", entry.name.substr(0, 1), single.finish());
        leaf.add(entry);
    }
    seeds.write("directory_leaf", "all", leaf.finish());
    const InnerNode directories{2, {{chunk_id(1), "a", 0}, {chunk_id(2), "b", 0}}};
    seeds.write("inner_node", "directory", encode_directory_inner(directories));
    const InnerNode extents{1, {{chunk_id(1), "", 100}, {chunk_id(2), "", 1ull << 50}}};
    seeds.write("inner_node", "extents", encode_extent_inner(extents));
    const std::vector<Run> runs{{RunKind::data, chunk_id(1), 4096, 8192},
                                {RunKind::data, chunk_id(2), 0, 4096},
                                {RunKind::hole, {}, 0, 1ull << 41},
                                {RunKind::zeros, {}, 0, 1ull << 20},
                                {RunKind::data, chunk_id(1), 16384, 4096}};
    seeds.write("extent_leaf", "empty", encode_extent_leaf({}));
    seeds.write("extent_leaf", "runs", encode_extent_leaf(runs));
}

RestorePointRecord example_point() {
    RestorePointRecord record;
    record.source = "files:/home";
    record.host = "web1";
    record.name = "home";
    record.machine_id = "0123456789abcdef";
    record.program = "holdfast 0.1";
    record.tags = {"daily", "x"};
    record.type = BackupType::differential;
    record.stats.files = 12;
    record.skipped_paths = {"a/b"};
    record.root = example_other("/", 2, EntryType::directory, DirectoryTree{chunk_id(9)});
    return record;
}

IndexFragmentRecord example_fragment() {
    IndexFragmentRecord record;
    record.tier = 1;
    record.supersedes = {object_id(1)};
    record.points = {{SourceId{}, 5, object_id(2), 99, {1, 2, 3}}};
    for (const EnvelopeHeader& header : {header_of(ObjectKind::data_pack),
                                         header_of(ObjectKind::metadata_pack),
                                         sealed_header(),
                                         header_of(ObjectKind::restore_point)}) {
        Container container;
        container.header = header;
        // Is not stored: all containers are of one repository.
        container.header.repository = RepositoryId{};
        container.object_bytes = 100000;
        record.containers.push_back(std::move(container));
    }
    record.chunks = {
        {{chunk_id(1), ChunkPurpose::node, 5000, 0, {1200}, {}}, 0, 0, 96},
        {{chunk_id(2), ChunkPurpose::data, 131072, 16, {10, 20}, {{9, 100}}}, 1, 1, 1296},
        {{chunk_id(3), ChunkPurpose::fingerprints, 9, 0, {99936}, {}}, 3, 0, 64}};
    return record;
}

void write_record_seeds(SeedWriter& seeds) {
    seeds.write("restore_point", "differential", encode_restore_point(example_point()));
    seeds.write("index_fragment", "empty", encode_index_fragment({}));
    seeds.write("index_fragment", "full", encode_index_fragment(example_fragment()));
    seeds.write("flat_fragment", "empty", FlatFragment::layout({}));
    seeds.write("flat_fragment", "full", FlatFragment::layout(example_fragment()));
    seeds.write(
        "lease", "lease", encode_lease({SessionId{}, 3, 4, 5, "host", "machine", "boot", 77, 88}));
    seeds.write("lease", "fence", encode_fence({SessionId{}, 9}));
    seeds.write(
        "lease", "tombstone", encode_tombstone({1, {object_id(1)}, {chunk_id(1), chunk_id(2)}, true, {SessionId{}}}));
    AttestationRecord check;
    check.host = "host";
    check.has_read_data = true;
    check.data_bytes = 1000;
    check.never_read_bytes = 100;
    check.oldest_read = 5;
    check.damaged_points = {object_id(1)};
    seeds.write("lease", "attestation", encode_attestation(check));
    seeds.write("lease", "mark", encode_mark({MarkKind::held, object_id(1), 4, "audit"}));
}

void write_text_seeds(SeedWriter& seeds) {
    seeds.write("point_name", "point", point_name({SourceId{}, 0x0123456789abcdef, object_id(7)}));
    seeds.write("point_path", "latest", "latest");
    seeds.write("point_path", "path", "0a1b://etc/fstab//");
    const std::string key = format_recovery_key(derive_key("holdfast fuzz recovery", {}));
    std::string typed = key;
    std::transform(typed.begin(), typed.end(), typed.begin(), [](char c) {
        return c == '-' ? ' ' : c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    seeds.write("recovery_key", "printed", key);
    seeds.write("recovery_key", "typed", typed);
    seeds.write("time", "full", "2026-11-22T20:46:34.123456789+01:00");
    seeds.write("time", "date", "2024-02-29");
    seeds.write("time", "leap-second", "2016-12-31 23:59:60Z");
    const auto exclude = [&](const char* name, std::string patterns, std::string_view path) {
        seeds.write("exclude", name, patterns.append(1, '\0').append(path));
    };
    exclude("all",
            "# a comment\n*.o\n!keep.o\n/home/me/cache/\n**/a[!b-d[:digit:]]?\\*/**/z\n\\!x\\ \r\n",
            "me/proj/ae1*/x/z");
    exclude("stars", "a*b*c*d*\n**/x/**/y/**\n", "aabbccdd");
}

void write_bucket_seeds(SeedWriter& seeds) {
    seeds.write("key_path", "usual", "photos/2026/a b.jpg");
    seeds.write("key_path", "odd", "/a//.././.s3~e%25/");
    seeds.write("key_path", "name", "a/.s3~cpart%00/.s3~eend/.s3~vx/.s3~o%2");
    seeds.write("s3_listing", "objects",
                "<ListBucketResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><KeyCount>1</KeyCount>"
                "<NextContinuationToken>t</NextContinuationToken><Contents><Key>p/a%2Bb</Key><Size>3</Size>"
                "<ETag>&quot;e&quot;</ETag><LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents></ListBucketResult>");
    seeds.write("s3_listing", "versions",
                "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker>"
                "<NextVersionIdMarker>1</NextVersionIdMarker><DeleteMarker><Key>p/a</Key><VersionId>2</VersionId>"
                "<IsLatest>true</IsLatest><LastModified>2026-01-02T03:04:06Z</LastModified></DeleteMarker><Version><Key>p/a</Key>"
                "<VersionId>1</VersionId><Size>3</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Version>"
                "</ListVersionsResult>");
    seeds.write("s3_listing", "uploads",
                "<ListMultipartUploadsResult><Upload><Key>p/a</Key><UploadId>u</UploadId>"
                "<Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload></ListMultipartUploadsResult>");
}

void write_sftp_seeds(SeedWriter& seeds) {
    const auto packet = [&seeds](const char* name, SftpRequest reply) {
        seeds.write("sftp_packet", name, reply.packet().subspan(sftp_length_bytes));
    };
    packet("status", SftpRequest(SftpType::status, 9).u32(2).text("No such file").text("en"));
    packet("handle", SftpRequest(SftpType::handle, 1).text("h1"));
    packet("data", SftpRequest(SftpType::data, 1).text("content"));
    packet("attributes", SftpRequest(SftpType::attributes, 1).u32(0x8000000f).u64(5).u32(1).u32(2).u32(0100644).u32(11).u32(12)
                             .u32(1).text("name").text("value"));
    packet("names", SftpRequest(SftpType::names, 1).u32(2).text("a").text("-rw a").u32(1).u64(3).text("b").text("").u32(0));
    packet("version", SftpRequest(SftpType::version, 3).text("fsync@openssh.com").text("1"));
    packet("extended", SftpRequest(SftpType::extended_reply, 1).u64(4096).u64(512).u64(100).u64(50).u64(10));
    seeds.write("sftp_location", "url", "//me@host:2222/srv/a%20b");
    seeds.write("sftp_location", "home", "//[::1]/~/x");
    seeds.write("sftp_location", "short", "me@host:x/y");
}

void write_configuration_seeds(SeedWriter& seeds) {
    seeds.write("configuration", "whole",
                "include = 'conf.d/*.toml'\n"
                "[repository.main]\nurl = 's3:https://example.org/b'\npassphrase = {command = 'x'}\n"
                "s3.access_key = {credential = 'a'}\ns3.secret_key = {environment = 'S'}\nenvironment.OS_PASSWORD = {file = '/p'}\n"
                "[source.home]\npath = '/home'\nrepository = 'main'\npolicy = 'nightly'\nexclude = ['*.o', 'x']\n"
                "hooks.before = 'true'\nhooks.timeout = '5m'\none_file_system = true\n"
                "[policy.nightly]\ntype = 'forever-incremental'\nsynthetic_after = '30d'\nschedule = 'Mon..Fri 02:30'\n"
                "keep = {daily = 7, within = '1y6m'}\ncopies = ['main']\ncheck = '5%'\nrpo = '1d'\n"
                "[notify.me]\nmail.to = 'a@b'\nwebhook = {url = {file = '/u'}, headers = {X = 'y'}}\non = ['failure']\n");
    seeds.write("configuration", "wrong",
                "[repository.main]\nurl = 5\npasphrase = 'x'\n[source.a]\npath = 'b'\nrepository = 'mian'\n[policy.a]\nkeep.daily = 0\n");
    seeds.write("configuration", "syntax", "[repository.main\nurl = \"\"\"x");
    seeds.write("calendar", "weekdays", "Mon..Wed,Sun 8..17/2:00,30");
    seeds.write("calendar", "dates", "2027..2031/2-02/3-1..7 01:02:03");
    seeds.write("calendar", "name", "quarterly");
}

int make_seeds(const std::string& corpus) {
    SeedWriter seeds(corpus);
    write_envelope_seeds(seeds);
    write_clear_seeds(seeds);
    write_chunk_seeds(seeds);
    write_node_seeds(seeds);
    write_record_seeds(seeds);
    write_text_seeds(seeds);
    write_sftp_seeds(seeds);
    write_configuration_seeds(seeds);
    write_bucket_seeds(seeds);
    return seeds.failed() ? 1 : 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
    if (argc == 2) return holdfast::make_seeds(argv[1]);
    std::fprintf(stderr, "usage: make-seeds CORPUS\n");
    return 2;
}
