// Write-only clients that lie: what they claim harms nobody else.
#include <gtest/gtest.h>

#include "repository/attestations.h"
#include "repository/leases.h"
#include "repository/marks.h"
#include "repository/prune.h"
#include "repository/repair.h"
#include "repository/thinning.h"
#include "repository/write_session.h"
#include "support/model_backup.h"

namespace holdfast {
namespace {

WriterIdentity tester() { return {"host", "machine", "boot", 1, 1}; }

Bytes random_content(std::size_t bytes, std::uint64_t seed) {
    Bytes content(bytes);
    SeededRandom(seed).fill(content);
    return content;
}

ModelNode file_of(Bytes content, std::uint64_t inode) {
    ModelNode file;
    file.metadata.mode = 0644;
    file.metadata.inode = inode;
    file.metadata.size = content.size();
    file.metadata.mtime = file.metadata.ctime = epoch;
    file.content = std::move(content);
    return file;
}

class Trust : public testing::Test {
  protected:
    void SetUp() override {
        tree_.metadata.type = EntryType::directory;
        tree_.metadata.mode = 0755;
        for (std::uint64_t i = 0; i < 40; ++i)
            tree_.children["small" + std::to_string(i)] = file_of(random_content(3000, i), 10 + i);
        tree_.children["large"] = file_of(random_content(3u << 20, 99), 5);
    }

    // Another repository object, opened by a write-only key. `known_host` is what readers hold the client to; the
    // client itself does not keep to it.
    std::unique_ptr<Repository> client(const std::string& known_host = "") {
        KeySlotRecord slot;
        const SecretKey secret(test_.random.array<32>());
        slot.role = KeyRole::writer;
        slot.id = key_slot_id_of(secret, slot.type);
        const Keyring& keyring = test_.repository->keyring();
        const RepositoryId& id = keyring.repository();
        lock_key_slot(slot, secret, keyring.full().writer_master, id);
        certify_key_slot(slot, secret, keyring.epoch(), keyring.full().signing_key(), id);
        EXPECT_TRUE(write_key_slot(*test_.storage, slot, id, test_.random).ok());
        known_ = ClientRecord{};
        known_.id = slot.id;
        known_.host = known_host;
        known_.verify_key = slot.certificate->verify_key;
        EXPECT_TRUE(write_client(*test_.storage, keyring, known_, test_.random).ok());
        Unlock unlock;
        unlock.key_file = secret;
        auto storage = std::make_unique<HookedStorage>(
            test_.storage, [](std::string_view, const std::string&) { return ok_status(); });
        return Repository::open(std::move(storage), unlock, "", test_.clock, test_.random).value();
    }
    BackupReport back_up(Repository& repository, const ModelNode& tree, const std::string& host) {
        test_.clock.advance(60 * ns_per_second);
        ModelSource source(tree);
        BackupOptions options;
        options.host = host;
        options.name = "name";
        options.type = BackupType::incremental;
        Progress progress;
        return run_backup(repository, source, options, progress, {}).value();
    }
    PointInfo latest(const std::string& host) {
        test_.open();
        return test_.repository
            ->latest(test_.repository->keyring().source_id(host, "name"),
                     [](const PointInfo&) { return Repository::Choice::take; })
            .value()
            .at(0);
    }
    // Every chunk that the tree's backup makes, under its id and of its size, with other content.
    void poison(Repository& hostile) {
        auto session = WriteSession::begin(hostile, tester()).value();
        const auto fragments = test_.repository->index().value()->fragments();
        ASSERT_FALSE(fragments.empty());
        Compressor compressor(CompressionLevel::standard);
        for (const auto& fragment : fragments) {
            for (std::size_t i = 0; i < fragment->chunk_count(); ++i) {
                const ChunkLocation chunk = fragment->location(i);
                const Bytes garbage = random_content(chunk.raw_bytes, 7);
                EXPECT_TRUE(session->append(encode_chunk(chunk.id, chunk.purpose, {}, garbage, chunk.frame_log2,
                                                         compressor, MatchTables::usual))
                                .ok());
            }
        }
        RestorePointRecord record;
        record.host = "hostile";
        record.name = "name";
        record.root.metadata.type = EntryType::directory;
        record.root.metadata.mode = 0755;
        record.root.name = "root";
        record.started = record.finished = test_.clock.now();
        EXPECT_TRUE(session->commit(record).ok());
    }
    // The chunks' ids of the tree, from a repository that shares the hash key.
    void expect_restores(const std::string& host) {
        const PointInfo point = latest(host);
        EXPECT_EQ(difference(*test_.repository, tree_, point.record.root, ""), "") << host;
    }
    void prune_with_rewriting() {
        test_.open();
        PruneOptions options;
        options.max_dead_percent = 0;
        Progress progress;
        const auto pruned = run_prune(*test_.repository, options, tester(), progress, {});
        EXPECT_TRUE(pruned.ok()) << pruned.error().describe();
    }

    std::vector<PointInfo> points() {
        test_.open();
        return test_.repository->points(std::nullopt).value();
    }

    TestRepository test_{"", 5};
    ModelNode tree_;
    ClientRecord known_;  // of the last client
};

// The hostile client claims chunks before the victim, who has the full key, backs them up.
TEST_F(Trust, AVictimWithAFullKeyDoesNotDeduplicateAgainstClaims) {
    back_up(*test_.repository, tree_, "victim");
    const std::vector<ObjectInfo> own = list_objects(*test_.storage, "").value();
    const auto hostile = client();
    poison(*hostile);
    // As if the victim's own had never been: only the claims are left.
    for (const ObjectInfo& info : own)
        if (!info.name.starts_with("config") && !info.name.starts_with("keys/")) {
            ASSERT_TRUE(test_.storage->remove(info.name).ok());
        }
    test_.open();
    const BackupReport report = back_up(*test_.repository, tree_, "victim");
    EXPECT_GT(report.stored_bytes, 3u << 20);
    expect_restores("victim");
    prune_with_rewriting();
    expect_restores("victim");
}

// Both are write-only: the reader must find which of both tells the truth, and prune must not drop it.
TEST_F(Trust, AClaimHarmsNoOtherClient) {
    const auto honest = client();
    back_up(*honest, tree_, "victim");
    test_.open();
    const auto hostile = client();
    poison(*hostile);
    expect_restores("victim");
    prune_with_rewriting();
    expect_restores("victim");
    // When the hostile client's point is gone, its claims go, too.
    const PointInfo point = latest("hostile");
    ASSERT_TRUE(test_.repository->set_mark(point, MarkKind::deleted, "test").ok());
    prune_with_rewriting();
    expect_restores("victim");
}

// A point in the victim's name says of a changed file that it has not changed.
TEST_F(Trust, APointOfAClientIsNoParentForOthers) {
    const auto hostile = client();
    ModelNode lies = tree_;
    lies.children["large"].content = random_content(3u << 20, 1234);
    back_up(*hostile, lies, "victim");
    test_.open();
    const BackupReport report = back_up(*test_.repository, tree_, "victim");
    EXPECT_GE(report.stats.read_bytes, 3u << 20);
    expect_restores("victim");
}

TEST_F(Trust, FoldingKeepsWhoMadeAPoint) {
    const auto hostile = client();
    back_up(*hostile, tree_, "victim");
    test_.open();
    for (std::uint64_t i = 0; i < 20; ++i) {
        ModelNode other = tree_;
        other.children["more"] = file_of(random_content(5000, 1000 + i), 900);
        back_up(*test_.repository, other, "other");
    }
    test_.open();
    bool seen = false;
    const std::vector<PointInfo> points = test_.repository->points(std::nullopt).value();
    for (const PointInfo& point : points) {
        EXPECT_EQ(point.is_claim, point.record.host == "victim");
        seen = seen || point.record.host == "victim";
    }
    EXPECT_TRUE(seen);
    EXPECT_GE(back_up(*test_.repository, tree_, "victim").stats.read_bytes, 3u << 20);
}

// What only readers may say, said by a client: that a point is deleted, or was never acknowledged.
TEST_F(Trust, AClientTakesNoPointAway) {
    back_up(*test_.repository, tree_, "victim");
    const PointInfo point = latest("victim");
    const auto hostile = client();
    ASSERT_TRUE(hostile->set_mark(point, MarkKind::deleted, "mine").ok());
    ASSERT_TRUE(put_fence(*hostile, point.record.session).value());
    EXPECT_EQ(test_.check().problem_count, 2u);
    prune_with_rewriting();
    test_.open();
    const auto points = test_.repository->points(std::nullopt).value();
    ASSERT_EQ(points.size(), 1u);
    EXPECT_EQ(difference(*test_.repository, tree_, points[0].record.root, ""), "");
    // A fence that says nothing goes like one that has said all.
    EXPECT_EQ(test_.check().problem_count, 1u);
    // Who can read brings it back, and then deletes it himself.
    ASSERT_TRUE(test_.repository->clear_mark(point, MarkKind::deleted).ok());
    expect_restores("victim");
    ASSERT_TRUE(test_.repository->set_mark(point, MarkKind::deleted, "test").ok());
    prune_with_rewriting();
    test_.open();
    EXPECT_TRUE(test_.repository->points(std::nullopt)->empty());
}

// It could not verify the point, and says so to who asks for the latest; that is no damage. A point that is whole it
// cannot hide unseen.
TEST_F(Trust, AClientHidesItsUnverifiedPointWithoutAProblem) {
    const auto hostile = client("victim");
    back_up(*hostile, tree_, "victim");
    const PointInfo point = latest("victim");
    ASSERT_TRUE(hostile->set_mark(point, MarkKind::deleted, "never acknowledged").ok());
    EXPECT_EQ(test_.check().problem_count, 1u);
    ASSERT_TRUE(put_fence(*test_.repository, point.record.session).ok());
    EXPECT_EQ(test_.check().problem_count, 0u);
    ASSERT_TRUE(test_.storage->remove(point_name({point.source, point.inverted_time, point.id})).ok());
    EXPECT_EQ(test_.check().problem_count, 0u);
}

// A prune has fenced it, and found its point whole, when it says that it could not verify it.
TEST_F(Trust, AClientHidesAPointThatAPruneHasFoundWhole) {
    const auto honest = client("victim");
    back_up(*honest, tree_, "victim");
    const PointInfo point = latest("victim");
    ASSERT_TRUE(honest->set_mark(point, MarkKind::deleted, "never acknowledged").ok());
    // Who has seen no prune verify it believes nobody, be it that the client says that it has.
    ASSERT_TRUE(honest->set_mark(point, MarkKind::verified, "mine").ok());
    EXPECT_EQ(test_.check().problem_count, 1u);
    prune_with_rewriting();
    EXPECT_TRUE(points().at(0).is_deleted);
    ASSERT_TRUE(test_.repository->clear_mark(point, MarkKind::verified).ok());
    ASSERT_TRUE(test_.repository->set_mark(point, MarkKind::verified, "there before the fence").ok());
    EXPECT_EQ(test_.check().problem_count, 0u);
    prune_with_rewriting();
    EXPECT_EQ(points().size(), 1u);
    EXPECT_EQ(test_.check().problem_count, 0u);
    expect_restores("victim");
}

// A check that looks what a client's mark is about meets points that have been stored since it listed the objects.
TEST_F(Trust, ACheckDoesNotMissWhatComesWhileItLooksAtAClientsMark) {
    const auto honest = client("victim");
    back_up(*honest, tree_, "victim");
    const PointInfo point = latest("victim");
    ASSERT_TRUE(honest->set_mark(point, MarkKind::deleted, "never acknowledged").ok());
    ASSERT_TRUE(put_fence(*test_.repository, point.record.session).ok());
    const auto nothing = [](std::string_view, const std::string&) { return ok_status(); };
    const auto other = Repository::open(std::make_unique<HookedStorage>(test_.storage, nothing), test_.unlock, "", test_.clock,
                                        system_random())
                           .value();
    bool has_come = false;
    test_.hook = [&](std::string_view operation, const std::string& name) -> Status {
        if (operation != "get" || !name.ends_with("/deleted") || std::exchange(has_come, true)) return {};
        for (std::uint64_t i = 0; i < 20; ++i) {
            ModelNode tree = tree_;
            tree.children["more"] = file_of(random_content(5000, 1000 + i), 900);
            back_up(*other, tree, "other");
        }
        return {};
    };
    const CheckReport report = test_.check();
    EXPECT_TRUE(has_come);
    EXPECT_EQ(report.problem_count, 0u) << report.problems.front();
}

TEST_F(Trust, WhoCanReadDeletesInSpiteOfAClientsMark) {
    back_up(*test_.repository, tree_, "victim");
    const PointInfo point = latest("victim");
    ASSERT_TRUE(client()->set_mark(point, MarkKind::deleted, "mine").ok());
    ASSERT_TRUE(delete_point(*test_.repository, point, "test").ok());
    EXPECT_EQ(test_.check().problem_count, 0u);
    prune_with_rewriting();
    EXPECT_TRUE(points().empty());
}

TEST_F(Trust, RetentionTakesAPointInSpiteOfAClientsMark) {
    back_up(*test_.repository, tree_, "victim");
    const PointInfo point = latest("victim");
    ASSERT_TRUE(client()->set_mark(point, MarkKind::deleted, "mine").ok());
    test_.open();
    PruneOptions options;
    options.removing = {point.id};
    Progress progress;
    ASSERT_TRUE(run_prune(*test_.repository, options, tester(), progress, {}).ok());
    test_.open();
    EXPECT_TRUE(test_.repository->points(std::nullopt)->empty());
}

TEST_F(Trust, AClientCondemnsNothing) {
    back_up(*test_.repository, tree_, "victim");
    const auto hostile = client();
    TombstoneRecord tombstone;
    tombstone.knows_sessions = true;
    const auto fragments = test_.repository->index().value()->fragments();
    for (const auto& fragment : fragments)
        for (const Container& container : fragment->containers()) tombstone.objects.push_back(container.header.object);
    ASSERT_TRUE(hostile->put_record(ObjectKind::tombstone, "tombstones/" + ObjectId::random(test_.random).hex(),
                                    encode_tombstone(tombstone), Durability::immediate)
                    .ok());
    ObjectSigner signer{KeySlotId{}, 1, SecretKey{}};
    ASSERT_TRUE(test_.storage
                    ->put("tombstones/" + ObjectId::random(test_.random).hex(),
                          encode_clear_object(ObjectKind::tombstone, test_.repository->keyring().repository(),
                                              encode_tombstone(tombstone), test_.random, signer),
                          Durability::immediate)
                    .ok());
    test_.open();
    // Nobody stores again what is there.
    const BackupReport report = back_up(*test_.repository, tree_, "other");
    EXPECT_LT(report.stored_bytes, 64u << 10);
    prune_with_rewriting();
    expect_restores("victim");
    expect_restores("other");
}

// An index fragment that takes the place of all others, and says that chunks stand where they do not.
TEST_F(Trust, AClientsFragmentHidesNothingAndMovesNothing) {
    back_up(*test_.repository, tree_, "victim");
    const auto hostile = client();
    test_.open();
    const auto fragments = test_.repository->index().value()->fragments();
    IndexFragmentRecord record;
    const std::vector<ObjectInfo> stored = list_objects(*test_.storage, "index/").value();
    for (const ObjectInfo& info : stored)
        record.supersedes.push_back(parse_fragment_name(info.name)->id);
    const PointInfo point = latest("victim");
    record.points.push_back({point.source, point.inverted_time, point.id, point.object_bytes, Bytes(10, 1)});
    record.containers = fragments.at(0)->containers();
    const ChunkId id = {keyed_hash(test_.repository->keyring().id_key(), as_bytes("x")).bytes};
    ASSERT_GT(fragments[0]->chunk_count(), 0u);
    record.chunks.push_back(fragments[0]->location(0));
    record.chunks.back().id = id;
    const std::string name = fragment_name(0, ObjectId::random(test_.random));
    ASSERT_TRUE(hostile->put_record(ObjectKind::index_fragment, name, encode_index_fragment(record),
                                    Durability::immediate)
                    .ok());
    test_.open();
    EXPECT_FALSE(test_.repository->index().value()->contains(id));
    EXPECT_LT(back_up(*test_.repository, tree_, "other").stored_bytes, 64u << 10);
    prune_with_rewriting();
    expect_restores("victim");
    expect_restores("other");
}

TEST_F(Trust, AClientMakesPointsOfItsHostOnly) {
    back_up(*client("victim"), tree_, "victim");
    EXPECT_FALSE(points().at(0).is_damaged);
    back_up(*client("web1"), tree_, "victim");
    const auto all = points();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_TRUE(all[0].is_damaged);
    EXPECT_NE(all[0].damage->describe().find("of host victim"), std::string::npos) << all[0].damage->describe();
    // It is in nobody's way: folds leave it out, and the latest point is the one before.
    for (std::uint64_t i = 0; i < 20; ++i) {
        ModelNode other = tree_;
        other.children["more"] = file_of(random_content(5000, 1000 + i), 900);
        back_up(*test_.repository, other, "other");
    }
    std::size_t damaged = 0;
    for (const PointInfo& point : points()) damaged += point.is_damaged ? 1 : 0;
    EXPECT_EQ(damaged, 1u);
}

TEST_F(Trust, ARemovedClientsPointsStayAndItMakesNoMore) {
    const auto removed = client();
    const RestorePointId kept = back_up(*removed, tree_, "victim").point;
    known_.is_removed = true;
    known_.points = {kept};
    ASSERT_TRUE(write_client(*test_.storage, test_.repository->keyring(), known_, test_.random).ok());
    EXPECT_FALSE(points().at(0).is_damaged);
    expect_restores("victim");
    // It has kept all that it needs to write.
    back_up(*removed, tree_, "victim");
    const auto all = points();
    ASSERT_EQ(all.size(), 2u);
    for (const PointInfo& point : all) EXPECT_EQ(point.is_damaged, point.id != kept);
}

TEST_F(Trust, NobodySignsForAClientOrForReaders) {
    const auto honest = client("victim");
    const KeySlotId other = known_.id;
    const auto hostile = client("hostile");
    const Keyring& keyring = hostile->keyring();
    const auto check = [&](const std::function<void(ObjectKey&)>& change) {
        ObjectKey key = keyring.object_again(ObjectKind::restore_point, ObjectId::random(test_.random), test_.random);
        change(key);
        const ObjectId id = key.header.object;
        const Bytes object = encode_record_object(std::move(key), Bytes(50, 1));
        const auto end = open_object(object, test_.repository->keyring(), ObjectKind::restore_point);
        const Status checked = test_.repository->clients().check_point(*end, id, "hostile");
        return checked.ok() ? std::string() : checked.error().describe();
    };
    EXPECT_EQ(check([](ObjectKey&) {}), "");
    EXPECT_NE(check([](ObjectKey& key) { key.signer.reset(); }), "");
    EXPECT_NE(check([&](ObjectKey& key) { key.signer->id = other; }), "");
    EXPECT_NE(check([](ObjectKey& key) { key.signer->id = KeySlotId{}; }), "");
    EXPECT_NE(check([&](ObjectKey& key) { key.signer->id = KeySlotId::random(test_.random); }), "");
    EXPECT_NE(check([](ObjectKey& key) { key.signer->signing_key = SecretKey{}; }), "");
    EXPECT_EQ(check([&](ObjectKey& key) { key.signer = test_.repository->keyring().epoch_signer(); }), "");
}

TEST_F(Trust, AttestationsAreReadersAloneAndReplaceEachOther) {
    AttestationRecord check;
    check.time = 100;
    check.host = "a";
    ASSERT_TRUE(attest(*test_.repository, check).ok());
    check.time = 200;
    check.problems = 1;
    ASSERT_TRUE(attest(*test_.repository, check).ok());
    check.host = "b";
    check.time = 150;
    ASSERT_TRUE(attest(*test_.repository, check).ok());
    auto found = read_attestations(*test_.repository).value();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].time, 200);
    EXPECT_EQ(found[0].problems, 1u);
    EXPECT_EQ(found[1].host, "b");
    // What a check of data has found stays until all data was read again.
    AttestationRecord data = check;
    data.has_read_data = true;
    data.time = 160;
    data.problems = 3;
    ASSERT_TRUE(attest(*test_.repository, data).ok());
    data.time = 170;
    data.problems = 0;
    data.data_bytes = 100;
    data.never_read_bytes = 90;
    ASSERT_TRUE(attest(*test_.repository, data).ok());
    EXPECT_EQ(read_attestations(*test_.repository)->size(), 4u);
    data.time = 180;
    data.never_read_bytes = 0;
    data.oldest_read = 175;
    ASSERT_TRUE(attest(*test_.repository, data).ok());
    EXPECT_EQ(read_attestations(*test_.repository)->size(), 3u);
    // A client may store under such a name what it likes.
    const auto hostile = client();
    check.time = 300;
    EXPECT_EQ(attest(*hostile, check).error().code(), ErrorCode::permission_denied);
    ASSERT_TRUE(hostile->put_record(ObjectKind::attestation, "attestations/" + ObjectId{}.hex(), encode_attestation(check),
                                    Durability::immediate).ok());
    // And anybody what is none.
    ASSERT_TRUE(test_.storage->put("attestations/x", as_bytes("nothing"), Durability::immediate).ok());
    found = read_attestations(*test_.repository).value();
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].time, 200);
}

}  // namespace
}  // namespace holdfast
