#include "api/configuration_check.h"

#include <algorithm>
#include <tuple>

#include "base/environment.h"
#include "s3/location.h"
#include "storage/storage.h"

namespace holdfast {
namespace {

class LocationCheck {
  public:
    explicit LocationCheck(ConfigReading& reading) : reading_(reading) {}

    void run() {
        for (const auto& [name, repository] : reading_.config.repositories) {
            const std::string path = "repository." + name + ".url";
            if (repository.url.empty()) continue;
            const Status checked = check_storage_url(repository.url, environment_of(repository));
            if (!checked.ok()) report(path, checked.error());
        }
        for (const auto& [name, source] : reading_.config.sources) check_source("source." + name, source);
        for (const auto& [name, replica] : reading_.config.replicas) {
            check_bucket("replica." + name + ".source.url", replica.source.url);
            check_bucket("replica." + name + ".target.url", replica.target.url);
        }
        std::ranges::stable_sort(reading_.issues, {}, [](const ConfigIssue& issue) {
            return std::tie(issue.place.file, issue.place.line, issue.place.column);
        });
    }

  private:
    static Environment environment_of(const RepositoryConfig& repository) {
        return [&repository, process = process_environment()](const std::string& name) {
            const auto own = repository.environment.find(name);
            return own == repository.environment.end() || own->second.secret ? process(name) : std::optional(own->second.text);
        };
    }

    void check_source(const std::string& path, const SourceConfig& source) {
        if (!source.source.starts_with("s3:")) return;
        check_bucket(path + ".url", source.source);
        for (const char* const key : {".exclude", ".exclude_files", ".exclude_if_present", ".exclude_caches", ".exclude_nodump",
                                      ".one_file_system"})
            report(path + key, Error(ErrorCode::invalid_argument,
                                     "a bucket is backed up whole, or below a prefix: nothing of it is excluded"));
    }

    void check_bucket(const std::string& path, const std::string& url) {
        if (url.empty()) return;
        const auto parsed = parse_s3_bucket_url(url, process_environment());
        if (!parsed.ok()) report(path, parsed.error());
    }

    // Where the value is set.
    void report(const std::string& path, const Error& error) {
        const Setting* const setting = reading_.settings.find(path);
        if (setting != nullptr) reading_.issues.push_back({setting->value.place, path + ": " + error.message()});
    }

    ConfigReading& reading_;
};

}  // namespace

Result<ConfigReading> check_configuration(const ConfigurationPlace& place) {
    HF_TRY(ConfigReading reading, read_configuration(place));
    LocationCheck(reading).run();
    return reading;
}

}  // namespace holdfast
