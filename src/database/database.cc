#include "database/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <utility>

#include "base/file_io.h"

namespace holdfast {
namespace {

constexpr int busy_milliseconds = 10'000;

ErrorCode code_of(int code) {
    switch (code & 0xFF) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return ErrorCode::corrupt;
        case SQLITE_FULL: return ErrorCode::out_of_space;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return ErrorCode::conflict;
        case SQLITE_PERM:
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_AUTH: return ErrorCode::permission_denied;
        default: return ErrorCode::internal;
    }
}

Error error_of(sqlite3* handle, int code) {
    const char* const path = sqlite3_db_filename(handle, nullptr);
    return {code_of(code), std::string(path == nullptr ? "a database" : path) + ": " + sqlite3_errmsg(handle)};
}

}  // namespace

Statement::~Statement() { sqlite3_finalize(statement_); }

Status Statement::check(int code) const {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return {};
    return error_of(sqlite3_db_handle(statement_), code);
}

Status Statement::reset() {
    // It returns what step() has returned already.
    static_cast<void>(sqlite3_reset(statement_));
    return check(sqlite3_clear_bindings(statement_));
}

Status Statement::bind_one(int place, std::int64_t value) { return check(sqlite3_bind_int64(statement_, place, value)); }

Status Statement::bind_one(int place, std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return Error(ErrorCode::invalid_argument, "a number that a database does not hold");
    return bind_one(place, static_cast<std::int64_t>(value));
}

Status Statement::bind_one(int place, std::string_view value) {
    // A null pointer would be NULL.
    const char* const data = value.data() == nullptr ? "" : value.data();
    return check(sqlite3_bind_blob64(statement_, place, data, value.size(), SQLITE_TRANSIENT));
}

Status Statement::bind_null(int place) { return check(sqlite3_bind_null(statement_, place)); }

Result<bool> Statement::step() {
    const int code = sqlite3_step(statement_);
    HF_TRY_STATUS(check(code));
    return code == SQLITE_ROW;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::text(int column) const {
    const void* const data = sqlite3_column_blob(statement_, column);
    const int bytes = sqlite3_column_bytes(statement_, column);
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<std::size_t>(bytes));
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::optional<std::int64_t> Statement::optional_integer(int column) const {
    if (is_null(column)) return std::nullopt;
    return integer(column);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const DatabaseSchema& schema) {
    // SQLite would make it with the mode of the umask.
    {
        HF_TRY(const UniqueFd fd, open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    }
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, nullptr);
    std::unique_ptr<Database> database(new Database(handle, path));
    if (code != SQLITE_OK) return Error(code_of(code), path + ": " + sqlite3_errstr(code));
    HF_TRY_STATUS(database->set_up(schema));
    return database;
}

Result<std::unique_ptr<Database>> Database::open_or_renew(const std::string& path, const DatabaseSchema& schema) {
    auto opened = open(path, schema);
    if (opened.ok()) return opened;
    const ErrorCode code = opened.error().code();
    if (code != ErrorCode::corrupt && code != ErrorCode::unsupported) return opened;
    HF_TRY_STATUS(discard(path));
    return open(path, schema);
}

Status Database::discard(const std::string& path) {
    // Its journal would be taken for the new one's.
    for (const std::string& name : {path + "-journal", path})
        if (::unlink(name.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, name);
    return {};
}

Database::~Database() { sqlite3_close(handle_); }

Status Database::set_up(const DatabaseSchema& schema) {
    sqlite3_busy_timeout(handle_, busy_milliseconds);
    // A file that somebody else has written can neither run code of its own nor be trusted with its own pages' form.
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    HF_TRY_STATUS(execute("PRAGMA cell_size_check=ON; PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON"));
    // One that is ready is not locked: another process may be writing.
    HF_TRY(const bool is_ready, is_set_up(schema));
    if (is_ready) return {};
    return transaction([&]() -> Status {
        HF_TRY(const bool was_made_meanwhile, is_set_up(schema));
        if (was_made_meanwhile) return {};
        HF_TRY_STATUS(execute(schema.statements));
        HF_TRY_STATUS(execute(("PRAGMA application_id=" + std::to_string(schema.application_id)).c_str()));
        return execute(("PRAGMA user_version=" + std::to_string(schema.version)).c_str());
    });
}

Result<bool> Database::is_set_up(const DatabaseSchema& schema) {
    HF_TRY(const std::int64_t id, pragma("PRAGMA application_id"));
    HF_TRY(const std::int64_t version, pragma("PRAGMA user_version"));
    if (id == schema.application_id && version == schema.version) return true;
    HF_TRY(const std::int64_t tables, pragma("SELECT count(*) FROM sqlite_master"));
    if (id != 0 || version != 0 || tables != 0)
        return Error(ErrorCode::unsupported, path_ + ": a database of another kind or version");
    return false;
}

Result<std::int64_t> Database::pragma(const char* sql) {
    HF_TRY(Statement statement, prepare(sql));
    HF_TRY(const bool has_row, statement.step());
    return has_row ? statement.integer(0) : 0;
}

Result<Statement> Database::prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    Statement prepared(statement);
    if (code != SQLITE_OK) return error_of(handle_, code);
    return prepared;
}

Status Database::execute(const char* sql) {
    const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return error_of(handle_, code);
    return {};
}

Status Database::transaction(const std::function<Status()>& work) {
    HF_TRY_STATUS(execute("BEGIN IMMEDIATE"));
    Status done = work();
    if (done.ok()) done = execute("COMMIT");
    // A failed COMMIT leaves it open; some errors have ended it already.
    if (!done.ok() && sqlite3_get_autocommit(handle_) == 0) static_cast<void>(execute("ROLLBACK"));
    return done;
}

}  // namespace holdfast
