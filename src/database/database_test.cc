#include "database/database.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file_io.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

constexpr DatabaseSchema schema{0x48464431, 1, "CREATE TABLE pairs (key BLOB PRIMARY KEY, value INTEGER) STRICT, WITHOUT ROWID"};

class DatabaseTest : public testing::Test {
  protected:
    std::string path() const { return directory_.path() + "/one.sqlite"; }
    std::int64_t count(Database& database) {
        Statement statement = database.prepare("SELECT count(*) FROM pairs").value();
        EXPECT_TRUE(statement.step().value());
        return statement.integer(0);
    }
    Status put(Database& database, std::string_view key, std::optional<std::int64_t> value) {
        HF_TRY(Statement statement, database.prepare("INSERT INTO pairs VALUES (?1, ?2)"));
        return statement.run(key, value);
    }

    TemporaryDirectory directory_;
};

TEST_F(DatabaseTest, KeepsWhatItIsGiven) {
    const std::string key("a\0b\xFF", 4);
    {
        auto database = Database::open(path(), schema).value();
        ASSERT_TRUE(put(*database, key, 7).ok());
        ASSERT_TRUE(put(*database, "", std::nullopt).ok());
    }
    struct stat status{};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    auto database = Database::open(path(), schema).value();
    Statement statement = database->prepare("SELECT key, value FROM pairs ORDER BY key").value();
    ASSERT_TRUE(statement.step().value());
    EXPECT_EQ(statement.text(0), "");
    EXPECT_TRUE(statement.is_null(1));
    EXPECT_EQ(statement.optional_integer(1), std::nullopt);
    ASSERT_TRUE(statement.step().value());
    EXPECT_EQ(statement.text(0), key);
    EXPECT_EQ(statement.integer(1), 7);
    EXPECT_FALSE(statement.step().value());
}

TEST_F(DatabaseTest, ATransactionThatFailsHasDoneNothing) {
    auto database = Database::open(path(), schema).value();
    const Status failed = database->transaction([&]() -> Status {
        HF_TRY_STATUS(put(*database, "a", 1));
        return put(*database, "a", 2);
    });
    EXPECT_FALSE(failed.ok());
    EXPECT_EQ(count(*database), 0);
    EXPECT_TRUE(database->transaction([&] { return put(*database, "a", 1); }).ok());
    EXPECT_EQ(count(*database), 1);
}

TEST_F(DatabaseTest, AForeignFileIsRefusedOrRenewed) {
    const std::string text(5000, 'x');
    ASSERT_TRUE(replace_file(path(), as_bytes(text), 0600).ok());
    EXPECT_EQ(Database::open(path(), schema).error().code(), ErrorCode::corrupt);
    auto database = Database::open_or_renew(path(), schema).value();
    ASSERT_TRUE(put(*database, "a", 1).ok());
    database.reset();
    const DatabaseSchema later{schema.application_id, 2, schema.statements};
    EXPECT_EQ(Database::open(path(), later).error().code(), ErrorCode::unsupported);
    EXPECT_EQ(count(*Database::open(path(), schema).value()), 1);
    EXPECT_EQ(count(*Database::open_or_renew(path(), later).value()), 0);
}

TEST_F(DatabaseTest, ADamagedPageIsAnError) {
    {
        auto database = Database::open(path(), schema).value();
        const Status filled = database->transaction([&]() -> Status {
            for (int i = 0; i < 1000; ++i) HF_TRY_STATUS(put(*database, "key " + std::to_string(i), i));
            return {};
        });
        ASSERT_TRUE(filled.ok());
    }
    const UniqueFd fd = open_file(path(), O_RDWR).value();
    const std::string damage(4096, '\x55');
    ASSERT_TRUE(write_at(fd.get(), as_bytes(damage), 4096 * 2, "database").ok());
    auto database = Database::open(path(), schema).value();
    Statement statement = database->prepare("SELECT key FROM pairs").value();
    Result<bool> row = statement.step();
    while (row.ok() && *row) row = statement.step();
    ASSERT_FALSE(row.ok());
    EXPECT_EQ(row.error().code(), ErrorCode::corrupt);
}

}  // namespace
}  // namespace holdfast
