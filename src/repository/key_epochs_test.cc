#include "repository/key_epochs.h"

#include <gtest/gtest.h>

#include "repository/repository.h"
#include "storage/memory/memory_storage.h"

namespace holdfast {
namespace {

// A repository and the slots that were made for it.
class KeyEpochs : public testing::Test {
  protected:
    void SetUp() override {
        auto keys = Repository::init(storage_, nullptr, std::nullopt, Repository::keep_nothing, clock_,
                                     system_random());
        first_ = keys.value().key_file;
        recovery_ = keys.value().recovery;
        config_ = read_config(storage_).value();
    }
    std::vector<KeyEpochRecord> epochs() { return read_key_epochs(storage_).value(); }
    Result<OpenedKeys> open(const SecretKey& secret, KeySlotType type = KeySlotType::key_file) {
        HF_TRY(const auto all, read_key_epochs(storage_));
        HF_TRY(const KeySlotRecord slot, read_key_slot(storage_, key_slot_id_of(secret, type)));
        return open_keys(config_, all, slot, secret);
    }
    Status rotate(const OpenedKeys& keys, const std::optional<KeySlotId>& excluded = {}) {
        return make_key_epoch(storage_, config_, *keys.keyring, keys.master, excluded, clock_, system_random());
    }
    SecretKey add(const OpenedKeys& keys, KeyRole role) {
        const SecretKey secret(system_random().array<32>());
        KeySlotRecord slot;
        slot.role = role;
        slot.id = key_slot_id_of(secret, slot.type);
        lock_key_slot(slot, secret,
                      role == KeyRole::full ? keys.master : keys.keyring->full().writer_master, config_.repository);
        certify_key_slot(slot, secret, keys.keyring->epoch(), keys.keyring->full().signing_key(),
                         config_.repository);
        EXPECT_TRUE(write_key_slot(storage_, slot, config_.repository, system_random()).ok());
        return secret;
    }
    static KeySlotId id_of(const SecretKey& secret) { return key_slot_id_of(secret, KeySlotType::key_file); }
    void put(const std::string& name, const KeyEpochRecord& epoch) {
        ASSERT_TRUE(storage_.remove(name).ok() && storage_.remove(twin_of(name)).ok());
        ASSERT_TRUE(write_key_epoch(storage_, epoch, config_.repository, system_random()).ok());
    }
    static std::string error_of(const Result<OpenedKeys>& opened) {
        return opened.ok() ? "opened" : opened.error().describe();
    }

    MemoryStorage storage_;
    ManualClock clock_{1'700'000'000 * ns_per_second};
    SecretKey first_, recovery_;
    ConfigRecord config_;
};

TEST_F(KeyEpochs, EveryKeyOpensEveryEpochWheneverItWasMade) {
    std::vector<SecretKey> readers = {first_}, writers;
    std::vector<ObjectKey> objects;
    for (std::uint16_t epoch = 1; epoch <= 4; ++epoch) {
        OpenedKeys keys = open(readers[epoch % readers.size()]).value();
        ASSERT_EQ(keys.keyring->epoch(), epoch);
        objects.push_back(keys.keyring->new_object(ObjectKind::data_pack, system_random()));
        readers.push_back(add(keys, KeyRole::full));
        writers.push_back(add(keys, KeyRole::writer));
        objects.push_back(open(writers[0])->keyring->new_object(ObjectKind::data_pack, system_random()));
        ASSERT_TRUE(rotate(keys).ok());
    }
    for (const SecretKey& secret : writers) EXPECT_EQ(open(secret)->keyring->epoch(), 5);
    readers.push_back(first_);
    for (const SecretKey& secret : readers) {
        const OpenedKeys keys = open(secret).value();
        EXPECT_EQ(keys.keyring->epoch(), 5);
        for (const ObjectKey& object : objects)
            EXPECT_TRUE(keys.keyring->object_key(object.header).value().equals(object.key));
    }
    EXPECT_TRUE(open(recovery_, KeySlotType::recovery).ok());
    // Equal content has the same chunks in all of them.
    EXPECT_TRUE(open(first_)->keyring->id_key().equals(open(writers[3])->keyring->id_key()));
}

TEST_F(KeyEpochs, ARevokedKeyOpensNothingNewWhateverItsHolderKept) {
    const OpenedKeys keys = open(first_).value();
    const SecretKey stolen = add(keys, KeyRole::full);
    const OpenedKeys kept = open(stolen).value();
    ASSERT_TRUE(rotate(keys, id_of(stolen)).ok());
    // His slot is there, as if the removal had failed or he had put it back.
    EXPECT_EQ(open(stolen).error().code(), ErrorCode::wrong_key);
    EXPECT_TRUE(is_revoked(read_key_slot(storage_, id_of(stolen)).value(), epochs()));
    const ObjectKey object = open(first_)->keyring->new_object(ObjectKind::data_pack, system_random());
    EXPECT_EQ(object.header.key_epoch, 2);
    EXPECT_FALSE(kept.keyring->object_key(object.header).ok());
    // And it stays so when keys are changed again.
    ASSERT_TRUE(rotate(open(first_).value()).ok());
    EXPECT_EQ(open(stolen).error().code(), ErrorCode::wrong_key);
}

TEST_F(KeyEpochs, NobodySlipsASlotIn) {
    const OpenedKeys keys = open(first_).value();
    const SecretKey thief(system_random().array<32>());
    KeySlotRecord slot;
    slot.id = id_of(thief);
    slot.label = "laptop";
    lock_key_slot(slot, thief, thief, config_.repository);
    certify_key_slot(slot, thief, 1, thief, config_.repository);
    ASSERT_TRUE(write_key_slot(storage_, slot, config_.repository, system_random()).ok());
    const Status refused = rotate(keys);
    EXPECT_EQ(refused.error().code(), ErrorCode::refused) << refused.error().describe();
    EXPECT_TRUE(epochs().empty());
    ASSERT_TRUE(remove_key_slot(storage_, slot.id).ok());
    ASSERT_TRUE(rotate(keys).ok());
    // With another public key under the name of one that the epoch lists.
    const SecretKey second = add(open(first_).value(), KeyRole::full);
    ASSERT_TRUE(rotate(open(first_).value()).ok());
    KeySlotRecord known = read_key_slot(storage_, id_of(second)).value();
    known.certificate->seal_key[3] ^= 1;
    ASSERT_TRUE(remove_key_slot(storage_, known.id).ok());
    ASSERT_TRUE(write_key_slot(storage_, known, config_.repository, system_random()).ok());
    EXPECT_EQ(rotate(open(first_).value()).error().code(), ErrorCode::refused);
}

TEST_F(KeyEpochs, AnEpochOfSomebodyElseIsRefused) {
    const OpenedKeys keys = open(first_).value();
    const SecretKey revoked = add(keys, KeyRole::full), writer = add(keys, KeyRole::writer);
    const OpenedKeys kept = open(revoked).value();
    ASSERT_TRUE(rotate(keys, id_of(revoked)).ok());
    ASSERT_TRUE(rotate(open(first_).value()).ok());
    // The third, signed by what the revoked key had: the first epoch's keys.
    KeyEpochRecord forged = epochs()[1];
    sign_key_epoch(forged, kept.keyring->full().signing_key(), config_.repository);
    put("epochs/0003", forged);
    EXPECT_NE(error_of(open(first_)).find("not signed"), std::string::npos) << error_of(open(first_));
    EXPECT_NE(error_of(open(writer)).find("not signed"), std::string::npos) << error_of(open(writer));
    // A gap.
    const KeyEpochRecord second = epochs()[0];
    ASSERT_TRUE(storage_.remove("epochs/0002").ok() && storage_.remove("epochs/0002.2").ok());
    EXPECT_EQ(open(first_).error().code(), ErrorCode::corrupt);
    put("epochs/0002", second);
    ASSERT_TRUE(storage_.remove("epochs/0003").ok() && storage_.remove("epochs/0003.2").ok());
    EXPECT_TRUE(open(first_).ok());
}

TEST_F(KeyEpochs, OneCopyIsEnoughAndOfTwoRotationsOneWins) {
    const OpenedKeys keys = open(first_).value();
    ASSERT_TRUE(rotate(keys).ok());
    EXPECT_EQ(rotate(keys).error().code(), ErrorCode::conflict);
    ASSERT_TRUE(storage_.remove("epochs/0002").ok());
    EXPECT_EQ(open(first_)->keyring->epoch(), 2);
    EXPECT_EQ(rotate(open(add(open(first_).value(), KeyRole::writer)).value()).error().code(),
              ErrorCode::permission_denied);
}

TEST_F(KeyEpochs, AnUnreadableSlotIsNotLeftOutInSilence) {
    const OpenedKeys keys = open(first_).value();
    const std::string name = key_slot_name(id_of(add(keys, KeyRole::full)));
    for (const std::string& copy : {name, twin_of(name)}) {
        Bytes object = storage_.get(copy, 1 << 20).value();
        std::fill(object.begin(), object.end(), 0);
        ASSERT_TRUE(storage_.remove(copy).ok() && storage_.put(copy, object, Durability::none).ok());
    }
    EXPECT_EQ(rotate(keys).error().code(), ErrorCode::corrupt);
    EXPECT_TRUE(epochs().empty());
}

}  // namespace
}  // namespace holdfast
