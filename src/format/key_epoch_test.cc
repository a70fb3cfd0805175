#include "format/key_epoch.h"

#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "format/config.h"

namespace holdfast {
namespace {

SecretKey key(const char* text) { return derive_key("t", as_bytes(text)); }

const RepositoryId repository{{1, 2, 3}};

TEST(KeyBundleTest, BundlesOpenWithTheirKeyAndRepositoryOnly) {
    FullSecrets secrets;
    renew_epoch_secrets(secrets, system_random());
    ConfigRecord config, other;
    other.chunk_sizes.avg_bytes *= 2;
    const Bytes bundle = seal_full_bundle(secrets, key("master"), config.associated_data());
    const auto opened = open_full_bundle(bundle, key("master"), config.associated_data());
    EXPECT_TRUE(opened.value().wrapping_key.equals(secrets.wrapping_key));
    EXPECT_EQ(opened->writer.verify_key, secrets.writer.verify_key);
    EXPECT_FALSE(open_full_bundle(bundle, secrets.wrapping_key, config.associated_data()).ok());
    EXPECT_FALSE(open_full_bundle(bundle, key("master"), other.associated_data()).ok());
}

TEST(KeyBundleTest, AWritersBundleSaysWithWhatEpochsAreChecked) {
    FullSecrets secrets;
    renew_epoch_secrets(secrets, system_random());
    WriterSecrets writer = secrets.writer;
    EXPECT_EQ(open_writer_bundle(seal_writer_bundle(writer, key("w"), {}), key("w"), {})->verify_key,
              signing_public_key(secrets.signing_key()));
    writer.verify_key.reset();
    EXPECT_FALSE(open_writer_bundle(seal_writer_bundle(writer, key("w"), {}), key("w"), {})->verify_key);
}

KeySlotRecord new_slot(const SecretKey& secret) {
    KeySlotRecord slot;
    slot.id = key_slot_id_of(secret, KeySlotType::key_file);
    slot.label = "laptop";
    lock_key_slot(slot, secret, key("master"), repository);
    certify_key_slot(slot, secret, 3, key("signing"), repository);
    return slot;
}

KeySlotRecord decoded(const KeySlotRecord& slot) {
    Bytes data;
    ByteWriter out(data);
    encode_key_slot(slot, out);
    return decode_key_slot(data).value();
}

TEST(KeySlotTest, OpensWithItsSecretOnlyAndBindsItsRole) {
    const KeySlotRecord slot = new_slot(key("secret"));
    EXPECT_TRUE(unlock_key_slot(slot, key("secret"), repository).value().equals(key("master")));
    EXPECT_EQ(unlock_key_slot(slot, key("master"), repository).error().code(), ErrorCode::wrong_key);
    KeySlotRecord again = decoded(slot);
    again.role = KeyRole::writer;
    EXPECT_FALSE(unlock_key_slot(again, key("secret"), repository).ok());
}

TEST(KeySlotTest, ItsEpochVouchesForAllOfIt) {
    const KeySlotRecord slot = decoded(new_slot(key("secret")));
    const PublicKey signer = signing_public_key(key("signing"));
    EXPECT_EQ(slot.epoch(), 3);
    EXPECT_TRUE(is_certified(slot, signer, repository));
    EXPECT_FALSE(is_certified(slot, signing_public_key(key("other")), repository));
    EXPECT_FALSE(is_certified(slot, signer, {}));
    KeySlotRecord changed = slot;
    changed.label = "mine";
    EXPECT_FALSE(is_certified(changed, signer, repository));
    changed = slot;
    changed.certificate->seal_key[0] ^= 1;
    EXPECT_FALSE(is_certified(changed, signer, repository));
    // Slots that were made before there were epochs.
    changed = slot;
    changed.certificate.reset();
    EXPECT_EQ(decoded(changed).epoch(), 1);
    EXPECT_FALSE(is_certified(decoded(changed), signer, repository));
}

KeyEpochRecord new_epoch(std::initializer_list<const char*> secrets) {
    KeyEpochRecord epoch;
    epoch.epoch = 2;
    epoch.created = 5;
    epoch.full_bundle = Bytes(240, 1);
    epoch.writer_bundle = Bytes(176, 2);
    seal_previous_master(epoch, key("previous"), key("master"), repository);
    for (const char* secret : secrets) {
        KeyEpochSlot slot;
        slot.id = key_slot_id_of(key(secret), KeySlotType::key_file);
        slot.seal_key = agreement_public_key(key_slot_secrets_of(key(secret), slot.id).agreement_key);
        EXPECT_TRUE(seal_to_slot(epoch, slot, key("master"), repository, system_random()).ok());
        epoch.slots.push_back(slot);
    }
    std::sort(epoch.slots.begin(), epoch.slots.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    sign_key_epoch(epoch, key("signing"), repository);
    return epoch;
}

TEST(KeyEpochTest, EachSlotOpensItAndItOpensTheOneBefore) {
    Bytes data;
    ByteWriter out(data);
    encode_key_epoch(new_epoch({"a", "b"}), out);
    const KeyEpochRecord epoch = decode_key_epoch(data).value();
    EXPECT_TRUE(is_signed_by(epoch, signing_public_key(key("signing")), repository));
    EXPECT_FALSE(is_signed_by(epoch, signing_public_key(key("other")), repository));
    for (const char* secret : {"a", "b"}) {
        const KeySlotId id = key_slot_id_of(key(secret), KeySlotType::key_file);
        const KeyEpochSlot* const slot = epoch.find(id);
        ASSERT_NE(slot, nullptr);
        const SecretKey agreement = key_slot_secrets_of(key(secret), id).agreement_key;
        const SecretKey master = open_slot(epoch, *slot, agreement, repository).value();
        EXPECT_TRUE(master.equals(key("master")));
        EXPECT_TRUE(open_previous_master(epoch, master, repository)->equals(key("previous")));
        EXPECT_FALSE(open_slot(epoch, *slot, key("c"), repository).ok());
        KeyEpochSlot other = *slot;
        other.role = KeyRole::writer;
        EXPECT_FALSE(open_slot(epoch, other, agreement, repository).ok());
    }
    EXPECT_EQ(epoch.find(key_slot_id_of(key("c"), KeySlotType::key_file)), nullptr);
}

TEST(KeyEpochTest, ChangedOrTornRecordsAreRefused) {
    const KeyEpochRecord epoch = new_epoch({"a", "b"});
    Bytes data;
    ByteWriter out(data);
    encode_key_epoch(epoch, out);
    for (std::size_t i = 0; i < data.size(); ++i) {
        Bytes changed = data;
        changed[i] ^= 0x40;
        const auto decoded = decode_key_epoch(changed);
        EXPECT_FALSE(decoded.ok() && is_signed_by(*decoded, signing_public_key(key("signing")), repository)) << i;
        EXPECT_FALSE(decode_key_epoch(ByteSpan(data).first(i)).ok()) << i;
    }
}

}  // namespace
}  // namespace holdfast
