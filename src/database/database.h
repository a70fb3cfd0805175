// A file of SQLite: for what this machine has found out and can find out again, and for the progress of long work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace holdfast {

// What the tables of a file are. A file with another number is not of this version.
struct DatabaseSchema {
    std::int32_t application_id = 0;  // says that the file is of this kind
    std::int32_t version = 1;
    const char* statements = "";  // that make the tables
};

// A statement with its parameters ?1, ?2, ...; for one thread at a time, and not longer than its database. Errors:
// corrupt, out_of_space, conflict when another process writes for longer than ten seconds, internal.
class Statement {
  public:
    Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
    Statement& operator=(Statement&&) = delete;
    ~Statement();

    // Begins anew with these parameters, in their order.
    template <typename... Values>
    Status bind(const Values&... values) {
        HF_TRY_STATUS(reset());
        int place = 0;
        Status bound;
        static_cast<void>(((bound = bind_one(++place, values), bound.ok()) && ...));
        return bound;
    }
    // Goes to the next row; false: there is none.
    Result<bool> step();
    // bind() and step() of what gives no rows.
    template <typename... Values>
    Status run(const Values&... values) {
        HF_TRY_STATUS(bind(values...));
        HF_TRY(const bool has_row, step());
        static_cast<void>(has_row);
        return reset();
    }

    // Of the row, from 0 on. NULL is 0 and empty.
    std::int64_t integer(int column) const;
    std::string text(int column) const;
    bool is_null(int column) const;
    std::optional<std::int64_t> optional_integer(int column) const;

  private:
    friend class Database;
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    Status reset();
    Status bind_one(int place, std::int64_t value);
    Status bind_one(int place, std::uint64_t value);  // invalid_argument beyond the signed ones
    Status bind_one(int place, int value) { return bind_one(place, static_cast<std::int64_t>(value)); }
    Status bind_one(int place, bool value) { return bind_one(place, static_cast<std::int64_t>(value)); }
    // As bytes: keys of objects need not be UTF-8, and may hold NUL.
    Status bind_one(int place, std::string_view value);
    Status bind_one(int place, const std::string& value) { return bind_one(place, std::string_view(value)); }
    Status bind_one(int place, const char* value) { return bind_one(place, std::string_view(value)); }
    template <typename Value>
    Status bind_one(int place, const std::optional<Value>& value) {
        return value ? bind_one(place, *value) : bind_null(place);
    }
    Status bind_null(int place);
    Status check(int code) const;

    sqlite3_stmt* statement_;
};

// For one thread at a time; several processes may have it open. It keeps a rollback journal: SQLite's WAL could lose
// data up to 3.51.2. What a transaction has done survives a crash when it has returned.
class Database {
  public:
    // Opens the file, or makes it (mode 0600) with these tables. Errors: corrupt for one that is no database,
    // unsupported for one of another kind or version.
    static Result<std::unique_ptr<Database>> open(const std::string& path, const DatabaseSchema& schema);
    // The same for what can be found out again: a file that is damaged or of another version is removed, and made anew.
    static Result<std::unique_ptr<Database>> open_or_renew(const std::string& path, const DatabaseSchema& schema);
    // Removes a file and its journal. Errors: of the file system.
    static Status discard(const std::string& path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // `sql` is one statement, and a constant of the program. Errors: corrupt.
    Result<Statement> prepare(const char* sql);
    // Statements without parameters and rows.
    Status execute(const char* sql);
    // All that `work` does, or nothing when it fails. Not within another one.
    Status transaction(const std::function<Status()>& work);

  private:
    explicit Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
    Status set_up(const DatabaseSchema& schema);
    // False: it is empty. Errors: unsupported for one of another kind or version.
    Result<bool> is_set_up(const DatabaseSchema& schema);
    Result<std::int64_t> pragma(const char* sql);

    sqlite3* handle_;
    const std::string path_;
};

}  // namespace holdfast
