#include "catalog/catalog.h"

#include "base/file_io.h"

namespace holdfast {
namespace {

constexpr char file_name[] = "/catalog.sqlite";
constexpr int most_steps = 10'000;

// "HFCA".
constexpr DatabaseSchema schema{0x48464341, 2, R"sql(
CREATE TABLE repositories (
    name BLOB PRIMARY KEY, url BLOB NOT NULL, id BLOB NOT NULL, measured INTEGER, error BLOB NOT NULL,
    lock_period INTEGER, is_governance INTEGER NOT NULL, lost_containers INTEGER NOT NULL, recovery_key INTEGER NOT NULL, checked INTEGER, read_data INTEGER, problems INTEGER NOT NULL,
    data_bytes INTEGER NOT NULL, never_read_bytes INTEGER NOT NULL, oldest_read INTEGER, unprotected INTEGER NOT NULL,
    is_replica INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE points (
    repository BLOB NOT NULL REFERENCES repositories ON DELETE CASCADE, id BLOB NOT NULL, host BLOB NOT NULL,
    name BLOB NOT NULL, time INTEGER NOT NULL, type BLOB NOT NULL, origin BLOB NOT NULL, skipped INTEGER NOT NULL,
    content_bytes INTEGER NOT NULL, is_held INTEGER NOT NULL, is_good INTEGER NOT NULL, PRIMARY KEY (repository, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE locks (
    repository BLOB NOT NULL REFERENCES repositories ON DELETE CASCADE, host BLOB NOT NULL, name BLOB NOT NULL,
    locked_until INTEGER NOT NULL, PRIMARY KEY (repository, host, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE steps (
    number INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind BLOB NOT NULL, source BLOB NOT NULL, repository BLOB NOT NULL,
    status INTEGER NOT NULL, error BLOB NOT NULL, milliseconds INTEGER NOT NULL, bytes_read INTEGER NOT NULL,
    bytes_added INTEGER NOT NULL
) STRICT;
)sql"};

std::uint64_t count_in(const Statement& row, int column) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(row.integer(column), 0));
}

}  // namespace

Status Catalog::discard(const std::string& directory) { return Database::discard(directory + file_name); }

Result<std::unique_ptr<Catalog>> Catalog::open(const std::string& directory) {
    HF_TRY_STATUS(make_directories(directory, 0700));
    HF_TRY(auto database, Database::open_or_renew(directory + file_name, schema));
    return std::unique_ptr<Catalog>(new Catalog(std::move(database)));
}

Status Catalog::keep(const RepositoryFacts& facts) {
    return database_->transaction([&]() -> Status {
        if (!facts.is_known()) {
            HF_TRY(Statement failed, database_->prepare(
                "INSERT INTO repositories VALUES (?1, ?3, X'', NULL, ?2, NULL, 0, 0, 0, NULL, NULL, 0, 0, 0, NULL, 0, 0) "
                "ON CONFLICT (name) DO UPDATE SET error = excluded.error"));
            return failed.run(facts.name, facts.error, facts.url);
        }
        HF_TRY(Statement measured, database_->prepare(
            "INSERT INTO repositories VALUES (?1, ?2, ?3, ?4, X'', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) "
            "ON CONFLICT (name) DO UPDATE SET url = excluded.url, id = excluded.id, is_governance = excluded.is_governance, "
            "lost_containers = excluded.lost_containers, measured = excluded.measured, error = excluded.error, "
            "lock_period = excluded.lock_period, recovery_key = excluded.recovery_key, checked = excluded.checked, "
            "read_data = excluded.read_data, problems = excluded.problems, data_bytes = excluded.data_bytes, "
            "never_read_bytes = excluded.never_read_bytes, oldest_read = excluded.oldest_read, "
            "unprotected = excluded.unprotected, is_replica = excluded.is_replica"));
        const CheckFacts& check = facts.check;
        HF_TRY_STATUS(measured.run(facts.name, facts.url, facts.id, facts.measured, facts.lock_period,
                                   facts.is_governance, facts.lost_containers, static_cast<int>(facts.recovery_key), check.checked, check.read_data, check.problems,
                                   check.data_bytes, check.never_read_bytes, check.oldest_read, check.unprotected,
                                   facts.is_replica));
        return keep_points(facts);
    });
}

Status Catalog::keep_points(const RepositoryFacts& facts) {
    HF_TRY_STATUS(database_->execute("CREATE TEMP TABLE IF NOT EXISTS seen (id BLOB PRIMARY KEY) WITHOUT ROWID; DELETE FROM seen"));
    HF_TRY(Statement see, database_->prepare("INSERT OR IGNORE INTO seen VALUES (?1)"));
    // What is the same is not written again: a repository has many points, and a backup adds one.
    HF_TRY(Statement put, database_->prepare(
        "INSERT INTO points VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (repository, id) DO UPDATE "
        "SET host = excluded.host, name = excluded.name, time = excluded.time, type = excluded.type, "
        "origin = excluded.origin, skipped = excluded.skipped, content_bytes = excluded.content_bytes, "
        "is_held = excluded.is_held, is_good = excluded.is_good "
        "WHERE is_held <> excluded.is_held OR is_good <> excluded.is_good"));
    for (const PointFacts& point : facts.points) {
        HF_TRY_STATUS(see.run(point.id));
        HF_TRY_STATUS(put.run(facts.name, point.id, point.host, point.name, point.time, point.type, point.origin,
                              point.skipped, point.content_bytes, point.is_held, point.is_good));
    }
    HF_TRY(Statement gone, database_->prepare(
        "DELETE FROM points WHERE repository = ?1 AND id NOT IN (SELECT id FROM seen)"));
    HF_TRY_STATUS(gone.run(facts.name));
    HF_TRY(Statement no_locks, database_->prepare("DELETE FROM locks WHERE repository = ?1"));
    HF_TRY_STATUS(no_locks.run(facts.name));
    HF_TRY(Statement lock, database_->prepare("INSERT INTO locks VALUES (?1, ?2, ?3, ?4)"));
    for (const auto& [identity, until] : facts.locked_until)
        HF_TRY_STATUS(lock.run(facts.name, identity.first, identity.second, until));
    return {};
}

Result<RepositoryFacts> Catalog::repository(const std::string& name) {
    RepositoryFacts facts;
    facts.name = name;
    HF_TRY(Statement row, database_->prepare(
        "SELECT id, measured, error, lock_period, recovery_key, checked, read_data, problems, data_bytes, "
        "never_read_bytes, oldest_read, unprotected, url, is_governance, lost_containers, is_replica FROM repositories WHERE name = ?1"));
    HF_TRY_STATUS(row.bind(name));
    HF_TRY(const bool is_there, row.step());
    if (!is_there) return facts;
    facts.id = row.text(0);
    facts.measured = row.optional_integer(1);
    facts.error = row.text(2);
    facts.lock_period = row.optional_integer(3);
    const std::int64_t key = row.integer(4);
    facts.recovery_key = key == 2 ? RecoveryKey::confirmed : key == 1 ? RecoveryKey::unconfirmed : RecoveryKey::none;
    facts.check.checked = row.optional_integer(5);
    facts.check.read_data = row.optional_integer(6);
    facts.check.problems = count_in(row, 7);
    facts.check.data_bytes = count_in(row, 8);
    facts.check.never_read_bytes = count_in(row, 9);
    facts.check.oldest_read = row.optional_integer(10);
    facts.check.unprotected = count_in(row, 11);
    facts.url = row.text(12);
    facts.is_governance = row.integer(13) != 0;
    facts.lost_containers = count_in(row, 14);
    facts.is_replica = row.integer(15) != 0;
    HF_TRY_STATUS(read_points(facts));
    return facts;
}

Status Catalog::read_points(RepositoryFacts& facts) {
    HF_TRY(Statement row, database_->prepare(
        "SELECT id, host, name, time, type, origin, skipped, content_bytes, is_held, is_good FROM points "
        "WHERE repository = ?1 ORDER BY time DESC, id"));
    HF_TRY_STATUS(row.bind(facts.name));
    for (;;) {
        HF_TRY(const bool has_row, row.step());
        if (!has_row) break;
        facts.points.push_back({row.text(0), row.text(1), row.text(2), row.integer(3), row.text(4), row.text(5),
                                count_in(row, 6), count_in(row, 7), row.integer(8) != 0, row.integer(9) != 0});
    }
    HF_TRY(Statement lock, database_->prepare("SELECT host, name, locked_until FROM locks WHERE repository = ?1"));
    HF_TRY_STATUS(lock.bind(facts.name));
    for (;;) {
        HF_TRY(const bool has_row, lock.step());
        if (!has_row) return {};
        facts.locked_until[{lock.text(0), lock.text(1)}] = lock.integer(2);
    }
}

Status Catalog::keep_only(const std::vector<std::string>& names) {
    return database_->transaction([&]() -> Status {
        HF_TRY_STATUS(database_->execute("CREATE TEMP TABLE IF NOT EXISTS wanted (name BLOB PRIMARY KEY) WITHOUT ROWID; DELETE FROM wanted"));
        HF_TRY(Statement want, database_->prepare("INSERT OR IGNORE INTO wanted VALUES (?1)"));
        for (const std::string& name : names) HF_TRY_STATUS(want.run(name));
        return database_->execute("DELETE FROM repositories WHERE name NOT IN (SELECT name FROM wanted)");
    });
}

Status Catalog::add(const std::vector<RanStep>& steps) {
    return database_->transaction([&]() -> Status {
        HF_TRY(Statement put, database_->prepare("INSERT INTO steps VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
        for (const RanStep& step : steps)
            HF_TRY_STATUS(put.run(step.time, step.kind, step.source, step.repository, step.status, step.error,
                                  static_cast<std::int64_t>(step.seconds * 1000), step.bytes_read, step.bytes_added));
        HF_TRY(Statement old, database_->prepare("DELETE FROM steps WHERE number <= (SELECT max(number) FROM steps) - ?1"));
        return old.run(most_steps);
    });
}

Result<std::vector<RanStep>> Catalog::ran(std::size_t most) {
    HF_TRY(Statement row, database_->prepare(
        "SELECT time, kind, source, repository, error, status, milliseconds, bytes_read, bytes_added FROM steps "
        "ORDER BY number DESC LIMIT ?1"));
    HF_TRY_STATUS(row.bind(static_cast<std::uint64_t>(most)));
    std::vector<RanStep> steps;
    for (;;) {
        HF_TRY(const bool has_row, row.step());
        if (!has_row) return steps;
        steps.push_back({row.integer(0), row.text(1), row.text(2), row.text(3), row.text(4), static_cast<int>(row.integer(5)),
                         static_cast<double>(row.integer(6)) / 1000, count_in(row, 7), count_in(row, 8)});
    }
}

}  // namespace holdfast
