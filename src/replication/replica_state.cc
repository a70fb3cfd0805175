#include "replication/replica_state.h"

#include <sys/stat.h>

#include <algorithm>

namespace holdfast {
namespace {

// What a row is. Below `applied` it is pending; `listed`: of a key that is not listed to its end.
constexpr int listed = 0, waiting = 1, begun = 2, applied = 3, left_out = 4, gone = 5;
constexpr std::size_t flush_versions = 1000;
constexpr std::int64_t recent_delays = 1000;
// A listing of fewer pages than ranges would become longer.
constexpr std::size_t most_ranges = 4;
constexpr std::uint64_t least_divided = 4000;
constexpr std::int64_t no_look = -1;  // as the statements have it
// Of one key, from the first failure on.
constexpr TimeNs first_delay = ns_per_second, longest_delay = 3600 * ns_per_second;
// Sequences of one listing: the newest version of a key has the greatest.
constexpr std::int64_t sequences = std::int64_t{1} << 32;

constexpr DatabaseSchema schema{0x48465231, 1, R"(
CREATE TABLE about (name BLOB PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE versions (
    key BLOB NOT NULL, identity BLOB NOT NULL, sequence INTEGER NOT NULL, state INTEGER NOT NULL,
    id BLOB NOT NULL, etag BLOB, bytes INTEGER NOT NULL, modified INTEGER NOT NULL, is_marker INTEGER NOT NULL,
    target_id BLOB, lock BLOB, looked INTEGER,
    PRIMARY KEY (key, identity)) STRICT, WITHOUT ROWID;
CREATE INDEX pending ON versions (key, sequence) WHERE state < 3;
CREATE INDEX looks ON versions (looked) WHERE looked IS NOT NULL;
CREATE TABLE failures (key BLOB PRIMARY KEY, error BLOB NOT NULL, tries INTEGER NOT NULL, next_try INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE delays (slot INTEGER PRIMARY KEY, delay INTEGER NOT NULL) STRICT;
)"};

struct KnownStatement {
    const char* name;
    const char* sql;
};
#define HF_COLUMNS "key, id, etag, bytes, modified, is_marker"
constexpr KnownStatement statements[] = {
    {"get", "SELECT value FROM about WHERE name = ?1"},
    {"set", "INSERT INTO about VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2"},
    {"find", "SELECT state FROM versions WHERE key = ?1 AND identity = ?2"},
    {"insert", "INSERT INTO versions (key, identity, sequence, state, id, etag, bytes, modified, is_marker) "
               "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"},
    {"forget listed", "DELETE FROM versions WHERE state < 3 AND state = 0"},
    {"release", "UPDATE versions SET state = 1 WHERE state < 3 AND state = 0 AND key = ?1"},
    {"next key", "SELECT v.key FROM versions v LEFT JOIN failures f ON f.key = v.key WHERE v.state < 3 AND v.state > 0 "
                 "AND v.key >= ?1 AND (f.key IS NULL OR f.next_try <= ?2) ORDER BY v.key, v.sequence LIMIT 1"},
    {"waiting", "SELECT " HF_COLUMNS ", state FROM versions WHERE state < 3 AND state > 0 AND key = ?1 "
                "ORDER BY key, sequence LIMIT ?2"},
    {"last id", "SELECT target_id FROM versions WHERE key = ?1 AND state = 3 ORDER BY sequence DESC LIMIT 1"},
    {"state", "UPDATE versions SET state = ?3 WHERE key = ?1 AND identity = ?2"},
    {"applied", "UPDATE versions SET state = 3, etag = NULL, target_id = ?3, lock = ?4, looked = nullif(?5, -1) "
                "WHERE key = ?1 AND identity = ?2"},
    {"failed", "INSERT INTO failures VALUES (?1, ?2, 1, ?3 + ?4) ON CONFLICT (key) DO UPDATE SET error = ?2, "
               "tries = tries + 1, next_try = ?3 + min(?5, ?4 << min(tries, 20))"},
    {"no failure", "DELETE FROM failures WHERE key = ?1"},
    {"delay", "INSERT INTO delays VALUES (?1, ?2) ON CONFLICT (slot) DO UPDATE SET delay = ?2"},
    {"known", "SELECT " HF_COLUMNS ", target_id, lock FROM versions WHERE key = ?1 AND state > 0 AND state < 4 "
              "ORDER BY sequence"},
    {"looks", "SELECT " HF_COLUMNS ", target_id, lock FROM versions WHERE looked IS NOT NULL ORDER BY looked LIMIT ?1"},
    {"look", "UPDATE versions SET lock = ?3, looked = nullif(?4, -1) WHERE key = ?1 AND identity = ?2"},
    {"pending", "SELECT count(*), sum(bytes), min(modified) FROM versions WHERE state < 3"},
    {"failures", "SELECT count(*), min(key), error FROM failures"},
    {"delays", "SELECT avg(delay), max(delay) FROM delays"}};
#undef HF_COLUMNS
constexpr int columns = 6;

// The row of a query that gives one at most, by `take`; false: there is none. It holds no lock when it returns.
template <typename Take>
Result<bool> take_row(Statement& query, const Take& take) {
    HF_TRY(const bool is_there, query.step());
    if (!is_there) return false;
    take(query);
    HF_TRY_STATUS(query.step());
    return true;
}

// All rows.
template <typename Take>
Status take_rows(Statement& query, const Take& take) {
    for (;;) {
        HF_TRY(const bool is_there, query.step());
        if (!is_there) return {};
        take(query);
    }
}

double seconds_of(std::int64_t time) { return static_cast<double>(time) / static_cast<double>(ns_per_second); }

}  // namespace

std::optional<TimeNs> ReplicaFigures::consistent_to() const {
    if (!listed_from || !oldest_pending) return listed_from;
    return std::min(*listed_from, *oldest_pending);
}

Result<std::unique_ptr<ReplicaState>> ReplicaState::open(const std::string& path, const std::string& sides) {
    HF_TRY(auto database, Database::open_or_renew(path, schema));
    std::unique_ptr<ReplicaState> state(new ReplicaState(std::move(database)));
    HF_TRY_STATUS(state->prepare());
    HF_TRY(const std::string known, state->text("sides"));
    if (known.empty()) HF_TRY_STATUS(state->set("sides", sides));
    else if (known != sides)
        return Error(ErrorCode::conflict, path + " is the state of another replica: " + known + ", not " + sides +
                                              "; `replica remove` forgets it");
    return state;
}

Result<std::unique_ptr<ReplicaState>> ReplicaState::open_existing(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return Error::from_errno(errno, path);
    HF_TRY(auto database, Database::open(path, schema));
    std::unique_ptr<ReplicaState> state(new ReplicaState(std::move(database)));
    HF_TRY_STATUS(state->prepare());
    return state;
}

Status ReplicaState::prepare() {
    for (const KnownStatement& one : statements) {
        HF_TRY(Statement prepared, database_->prepare(one.sql));
        statements_.emplace(one.name, std::move(prepared));
    }
    return {};
}

Result<std::int64_t> ReplicaState::number(const char* name) {
    std::int64_t value = 0;
    HF_TRY_STATUS(statement("get").bind(name));
    HF_TRY_STATUS(take_row(statement("get"), [&value](const Statement& row) { value = row.integer(0); }));
    return value;
}

Result<std::string> ReplicaState::text(const char* name) {
    std::string value;
    HF_TRY_STATUS(statement("get").bind(name));
    HF_TRY_STATUS(take_row(statement("get"), [&value](const Statement& row) { value = row.text(0); }));
    return value;
}

template <typename Value>
Status ReplicaState::set(const char* name, const Value& value) {
    return statement("set").run(name, value);
}

SourceVersion ReplicaState::version_in(const Statement& row) {
    SourceVersion version;
    version.key = row.text(0);
    version.id = row.text(1);
    version.etag = row.text(2);
    version.bytes = static_cast<std::uint64_t>(row.integer(3));
    version.modified = row.integer(4);
    version.is_marker = row.integer(5) != 0;
    return version;
}

Result<bool> ReplicaState::is_new() {
    HF_TRY(const std::int64_t looked, number("looked at target"));
    return looked == 0;
}

Status ReplicaState::set_looked_at() { return set("looked at target", 1); }

Result<std::vector<std::string>> ReplicaState::begin_listing() {
    ranges_.assign(most_ranges, {});
    sampler_ = {};
    listed_ = 0;
    const Status begun_anew = database_->transaction([this]() -> Status {
        HF_TRY_STATUS(statement("forget listed").run());
        HF_TRY(pass_, number("pass"));
        return set("pass", ++pass_);
    });
    if (!begun_anew.ok()) return begun_anew.error();
    std::vector<std::string> borders;
    HF_TRY(const std::int64_t count, number("borders"));
    for (std::int64_t i = 0; i < count; ++i) {
        HF_TRY(std::string border, text(("border " + std::to_string(i)).c_str()));
        borders.push_back(std::move(border));
    }
    return borders;
}

// A key whose first versions were written already may be worked on from now on.
Status ReplicaState::finish_key(Range& range) {
    if (range.is_cut) {
        const Status released = database_->transaction([&]() -> Status {
            HF_TRY_STATUS(write_fresh(range));
            return statement("release").run(range.key);
        });
        if (!released.ok()) return released;
    }
    range.is_cut = range.has_key = false;
    return {};
}

Status ReplicaState::add_listed(std::size_t number, const SourceVersion& version) {
    HF_CHECK(number < ranges_.size());
    Range& range = ranges_[number];
    if (range.has_key && version.key != range.key) HF_TRY_STATUS(finish_key(range));
    if (!range.has_key) {
        range.key = version.key;
        range.has_key = true;
        range.met_known = false;
        range.index = 0;
    }
    ++listed_;
    sampler_.add(version.key);
    HF_TRY_STATUS(statement("find").bind(version.key, version.identity()));
    HF_TRY(const bool is_known, take_row(statement("find"), [](const Statement&) {}));
    range.met_known = range.met_known || is_known;
    if (!is_known) range.fresh.push_back({version, pass_ * sequences + sequences - 1 - range.index, range.met_known});
    ++range.index;
    if (range.fresh.size() < flush_versions) return {};
    // Older versions of this key may follow.
    range.is_cut = true;
    return database_->transaction([&] { return write_fresh(range); });
}

Status ReplicaState::write_fresh(Range& range) {
    for (const Fresh& fresh : range.fresh) {
        const SourceVersion& version = fresh.version;
        const bool is_cut = range.is_cut && range.key == version.key;
        const int state = fresh.is_late ? left_out : is_cut ? listed : waiting;
        HF_TRY_STATUS(statement("insert").run(version.key, version.identity(), fresh.sequence, state, version.id,
                                              version.etag, version.bytes, version.modified, version.is_marker));
        if (fresh.is_late) {
            HF_TRY(const std::int64_t count, number("left out"));
            HF_TRY_STATUS(set("left out", count + 1));
        }
    }
    range.fresh.clear();
    return {};
}

Status ReplicaState::flush_listed() {
    for (Range& range : ranges_) {
        HF_TRY_STATUS(finish_key(range));
        if (range.fresh.empty()) continue;
        const Status written = database_->transaction([&] { return write_fresh(range); });
        if (!written.ok()) return written;
    }
    return {};
}

Status ReplicaState::end_listing(TimeNs began, double seconds) {
    HF_TRY_STATUS(flush_listed());
    return database_->transaction([&]() -> Status {
        HF_TRY(const std::int64_t passes, number("passes"));
        if (passes == 0) HF_TRY_STATUS(set("first listing", began));
        HF_TRY_STATUS(set("passes", passes + 1));
        HF_TRY_STATUS(set("last listing", began));
        HF_TRY_STATUS(set("listing ns", static_cast<std::int64_t>(seconds * static_cast<double>(ns_per_second))));
        HF_TRY_STATUS(set("listed", listed_));
        const std::vector<std::string> borders =
            listed_ < least_divided ? std::vector<std::string>() : sampler_.borders(most_ranges - 1);
        HF_TRY_STATUS(set("borders", static_cast<std::uint64_t>(borders.size())));
        for (std::size_t i = 0; i < borders.size(); ++i)
            HF_TRY_STATUS(set(("border " + std::to_string(i)).c_str(), borders[i]));
        return set("error", "");
    });
}

Status ReplicaState::set_error(const std::string& error) { return set("error", error); }

Result<std::string> ReplicaState::last_id_of(const std::string& key) {
    std::string id;
    HF_TRY_STATUS(statement("last id").bind(key));
    HF_TRY_STATUS(take_row(statement("last id"), [&id](const Statement& row) { id = row.text(0); }));
    return id;
}

Result<std::optional<WaitingKey>> ReplicaState::next_waiting(const std::string& from,
                                                             TimeNs now,
                                                             std::size_t max_versions) {
    WaitingKey key;
    HF_TRY_STATUS(statement("next key").bind(from, now));
    HF_TRY(const bool is_there, take_row(statement("next key"), [&key](const Statement& row) { key.key = row.text(0); }));
    if (!is_there) return std::optional<WaitingKey>();
    HF_TRY_STATUS(statement("waiting").bind(key.key, static_cast<std::uint64_t>(max_versions)));
    HF_TRY_STATUS(take_rows(statement("waiting"), [&key](const Statement& row) {
        key.versions.push_back({version_in(row), row.integer(columns) == begun});
    }));
    HF_TRY(key.last_id, last_id_of(key.key));
    return std::optional(std::move(key));
}

Result<std::vector<SourceVersion>> ReplicaState::waiting_of(const std::string& key) {
    std::vector<SourceVersion> versions;
    HF_TRY_STATUS(statement("waiting").bind(key, -1));
    HF_TRY_STATUS(take_rows(statement("waiting"), [&versions](const Statement& row) { versions.push_back(version_in(row)); }));
    return versions;
}

Status ReplicaState::set_begun(std::span<const WaitingKey> keys) {
    return database_->transaction([&]() -> Status {
        for (const WaitingKey& key : keys)
            for (const WaitingVersion& one : key.versions)
                if (!one.is_begun) HF_TRY_STATUS(statement("state").run(key.key, one.version.identity(), begun));
        return {};
    });
}

Status ReplicaState::record(std::span<const AppliedVersion> results) {
    if (results.empty()) return {};
    return database_->transaction([&]() -> Status {
        for (const AppliedVersion& result : results) HF_TRY_STATUS(record_one(result));
        return {};
    });
}

Status ReplicaState::record_one(const AppliedVersion& result) {
    using Kind = AppliedVersion::Kind;
    const std::string& key = result.version.key;
    switch (result.kind) {
        case Kind::applied: return record_applied(result);
        case Kind::failed: HF_TRY_STATUS(statement("state").run(key, result.version.identity(), waiting)); [[fallthrough]];
        case Kind::unclear: return record_failed(result);
        case Kind::not_tried: return statement("state").run(key, result.version.identity(), waiting);
        case Kind::gone: {
            HF_TRY(const std::int64_t count, number("gone"));
            HF_TRY_STATUS(set("gone", count + 1));
            HF_TRY_STATUS(statement("no failure").run(key));
            return statement("state").run(key, result.version.identity(), gone);
        }
    }
    return {};
}

Status ReplicaState::record_failed(const AppliedVersion& result) {
    return statement("failed").run(result.version.key, result.error, result.at, first_delay, longest_delay);
}

Status ReplicaState::record_applied(const AppliedVersion& result) {
    const SourceVersion& version = result.version;
    // What nobody can lock is not looked at.
    const std::int64_t looked = version.is_marker ? no_look : result.at;
    HF_TRY_STATUS(statement("applied").run(version.key, version.identity(), result.target_id, describe_lock(result.lock), looked));
    HF_TRY_STATUS(statement("no failure").run(version.key));
    HF_TRY(const std::int64_t count, number("applied"));
    HF_TRY(const std::int64_t bytes, number("applied bytes"));
    HF_TRY_STATUS(set("applied", count + 1));
    HF_TRY_STATUS(set("applied bytes", bytes + static_cast<std::int64_t>(version.bytes)));
    HF_TRY(const std::int64_t first, number("first listing"));
    if (first == 0 || version.modified < first || result.at == 0) return {};
    HF_TRY(const std::int64_t slot, number("delays"));
    HF_TRY_STATUS(set("delays", slot + 1));
    return statement("delay").run(slot % recent_delays, std::max<TimeNs>(0, result.at - version.modified));
}

Result<std::vector<KnownVersion>> ReplicaState::known_in(Statement& rows) {
    std::vector<KnownVersion> versions;
    HF_TRY_STATUS(take_rows(rows, [&versions](const Statement& row) {
        versions.push_back({version_in(row), row.text(columns), parse_lock(row.text(columns + 1))});
    }));
    return versions;
}

Result<std::vector<KnownVersion>> ReplicaState::known_of(const std::string& key) {
    HF_TRY_STATUS(statement("known").bind(key));
    return known_in(statement("known"));
}

Result<std::vector<KnownVersion>> ReplicaState::oldest_looks(std::size_t count) {
    HF_TRY_STATUS(statement("looks").bind(static_cast<std::uint64_t>(count)));
    return known_in(statement("looks"));
}

Status ReplicaState::record_look(const KnownVersion& version, const std::optional<VersionLock>& lock, TimeNs now) {
    const std::int64_t looked = lock ? now : no_look;
    return statement("look").run(version.version.key, version.version.identity(),
                                 describe_lock(lock.value_or(version.lock)), looked);
}

Result<ReplicaFigures> ReplicaState::figures() {
    const auto unsigned_of = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
    ReplicaFigures figures;
    const std::pair<const char*, std::uint64_t*> counts[] = {
        {"passes", &figures.passes},           {"listed", &figures.listed_versions},
        {"applied", &figures.applied},         {"applied bytes", &figures.applied_bytes},
        {"gone", &figures.gone},               {"left out", &figures.left_out}};
    for (const auto& [name, count] : counts) {
        HF_TRY(const std::int64_t value, number(name));
        *count = unsigned_of(value);
    }
    HF_TRY(const std::int64_t from, number("last listing"));
    if (figures.passes != 0) figures.listed_from = from;
    HF_TRY(const std::int64_t listing, number("listing ns"));
    figures.listing_seconds = seconds_of(listing);
    HF_TRY(figures.error, text("error"));
    HF_TRY_STATUS(statement("pending").bind());
    HF_TRY_STATUS(take_row(statement("pending"), [&](const Statement& row) {
        figures.pending = unsigned_of(row.integer(0));
        figures.pending_bytes = unsigned_of(row.integer(1));
        figures.oldest_pending = row.optional_integer(2);
    }));
    HF_TRY_STATUS(statement("failures").bind());
    HF_TRY_STATUS(take_row(statement("failures"), [&](const Statement& row) {
        figures.failed_keys = unsigned_of(row.integer(0));
        figures.failed_key = row.text(1);
        figures.failure = row.text(2);
    }));
    HF_TRY_STATUS(statement("delays").bind());
    HF_TRY_STATUS(take_row(statement("delays"), [&](const Statement& row) {
        figures.delay_mean_seconds = seconds_of(row.integer(0));
        figures.delay_max_seconds = seconds_of(row.integer(1));
    }));
    return figures;
}

}  // namespace holdfast
