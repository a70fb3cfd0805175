// What this machine knows of its repositories without asking them, and what ran. A file of SQLite: it can be lost, for the
// facts are found again in the repositories.
#pragma once

#include <memory>

#include "base/result.h"
#include "catalog/facts.h"
#include "database/database.h"

namespace holdfast {

// One thing that a run did.
struct RanStep {
    TimeNs time = 0;
    std::string kind, source, repository, error;
    int status = 0;  // exit status
    double seconds = 0;
    std::uint64_t bytes_read = 0, bytes_added = 0;
};

// For one thread at a time; several processes may have it open, and wait for each other.
class Catalog {
  public:
    // `directory` is made where it is missing. A file that is damaged or of another version is made anew.
    static Result<std::unique_ptr<Catalog>> open(const std::string& directory);
    // Removes one that turned out to be damaged; nobody of this process has it open.
    static Status discard(const std::string& directory);

    // Takes what was measured in the place of what was known of this name. One that could not be measured changes the
    // error alone. Costs what has changed.
    Status keep(const RepositoryFacts& facts);
    // Nothing of what was kept: a repository that was never measured.
    Result<RepositoryFacts> repository(const std::string& name);
    // Forgets those that the configuration has no more.
    Status keep_only(const std::vector<std::string>& names);

    // Keeps the last 10,000.
    Status add(const std::vector<RanStep>& steps);
    // The newest ones first.
    Result<std::vector<RanStep>> ran(std::size_t most);

  private:
    explicit Catalog(std::unique_ptr<Database> database) : database_(std::move(database)) {}
    Status keep_points(const RepositoryFacts& facts);
    Status read_points(RepositoryFacts& facts);

    const std::unique_ptr<Database> database_;
};

}  // namespace holdfast
