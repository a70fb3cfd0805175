#include "api/status_operation.h"

#include <functional>

#include "api/configuration.h"
#include "api/copy_places.h"
#include "api/replica_definition.h"
#include "api/source_record.h"
#include "base/file_io.h"

namespace holdfast {
namespace {

// After which nobody knows any more what a repository has.
constexpr TimeNs longest_known = TimeNs{24} * 3600 * ns_per_second;

class StatusMeasuring {
  public:
    StatusMeasuring(const StatusRequest& request, const Config& config) : request_(request), config_(config) {
        response_.now = request.now.value_or(system_clock().now());
    }

    Result<StatusResponse> look(const std::vector<std::string>& names) {
        HF_TRY_STATUS(find_facts());
        HF_TRY_STATUS(find_replicas());
        for (const std::string& name : names) look_at(config_.sources.at(name));
        for (const SourceStatus& one : response_.sources)
            response_.verdict = worse(response_.verdict, one.protection.verdict);
        write_metrics();
        return std::move(response_);
    }

  private:
    // All repositories that the configuration has: copies are where they are, not where they ought to be.
    Status find_facts() {
        std::vector<std::string> all;
        for (const auto& [name, config] : config_.repositories) all.push_back(name);
        const Status opened = open_catalog();
        if (!opened.ok() && request_.is_cached) return opened;
        if (!opened.ok()) warn("the catalogue: ", opened.error());
        if (!request_.is_cached) {
            MeasureRequest asked{request_.access, {}};
            for (const auto& [name, source] : config_.sources) asked.identities.insert(identity_of_source(source));
            response_.repositories = measure(asked, all);
        }
        if (request_.access.stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        for (const std::string& name : all) {
            RepositoryFacts& facts = response_.repositories[name];
            facts.name = name;
            if (!request_.is_cached) use_catalog("what was found of " + name, [&] { return catalog_->keep(facts); });
            if (!facts.is_known()) use_catalog("what was known of " + name, [&] { return recall(facts); });
            if (!facts.error.empty()) continue;
            if (!facts.measured) facts.error = "it was never measured";
            else if (response_.now - *facts.measured > longest_known) facts.error = "it was measured more than a day ago";
            else if (*facts.measured - response_.now > clock_tolerance) facts.error = "it was measured at a time that is yet to come";
        }
        if (!request_.is_cached) use_catalog("the catalogue", [&] { return catalog_->keep_only(all); });
        return {};
    }

    Status find_replicas() {
        HF_TRY(const auto replicas, known_replicas(request_.access.config_file));
        for (const auto& [name, replica] : replicas)
            if (const auto target = parse_s3_bucket_url(replica.config.target.url, process_environment()); target.ok())
                replica_targets_.push_back(target->location);
        return {};
    }

    Status open_catalog() {
        HF_TRY(catalog_, Catalog::open(default_places().state));
        return {};
    }

    // What fails is a warning: the catalogue can be lost. One that turns out to be damaged is made anew.
    void use_catalog(const std::string& what, const std::function<Status()>& use) {
        if (catalog_ == nullptr) return;
        Status used = use();
        if (!used.ok() && used.error().code() == ErrorCode::corrupt) {
            catalog_.reset();
            used = Catalog::discard(default_places().state);
            if (used.ok()) used = open_catalog();
            if (used.ok()) used = use();
        }
        if (!used.ok()) warn(what + ": ", used.error());
    }

    // What an absent repository had is told, but proves nothing.
    Status recall(RepositoryFacts& facts) {
        HF_TRY(RepositoryFacts known, catalog_->repository(facts.name));
        std::string error = std::move(facts.error);
        // A name that means another place now says nothing of that.
        const std::string url = facts.url.empty() ? config_.repositories.at(facts.name).url : facts.url;
        if (known.url == url) facts = std::move(known);
        if (!error.empty()) facts.error = std::move(error);
        return {};
    }

    void look_at(const SourceConfig& source) {
        const SourceRecord record = read_source_record(default_places().state, source.name);
        const Identity identity = identity_of(source, {record.host, record.name});
        SourceStatus one;
        one.policy = source.policy.value_or("");
        one.protection = protection_of(protected_source(config_, source, identity, replica_targets_, response_.repositories),
                                       response_.repositories, response_.now);
        one.last_run = record.state;
        if (record.last_run != 0) one.ran = record.last_run;
        one.error = record.error;
        response_.sources.push_back(std::move(one));
    }

    static Identity identity_of_source(const SourceConfig& source) {
        const SourceRecord record = read_source_record(default_places().state, source.name);
        return identity_of(source, {record.host, record.name});
    }

    void write_metrics() {
        if (config_.metrics_file.empty() || !request_.names.empty() || request_.is_cached) return;
        const std::string text = metrics_text(response_);
        const Status written = replace_file(config_.metrics_file, as_bytes(text), 0644);
        if (!written.ok()) warn("the metrics file: ", written.error());
    }

    void warn(const std::string& what, const Error& error) { response_.warnings.push_back(what + error.describe()); }

    const StatusRequest& request_;
    const Config& config_;
    std::unique_ptr<Catalog> catalog_;  // null: it cannot be had
    std::vector<S3Location> replica_targets_;
    StatusResponse response_;
};

}  // namespace

Result<StatusResponse> status(const StatusRequest& request) {
    HF_TRY(const Config config, load_configuration(request.access.config_file));
    HF_TRY(const std::vector<std::string> names, chosen_sources(config, request.names));
    if (names.empty())
        return Error(ErrorCode::invalid_argument, "the configuration has no sources: " + configuration_place(request.access.config_file).file);
    return StatusMeasuring(request, config).look(names);
}

Status keep_steps(const std::vector<RanStep>& steps) {
    HF_TRY(const auto catalog, Catalog::open(default_places().state));
    return catalog->add(steps);
}

Result<std::vector<RanStep>> recent_steps(std::size_t most) {
    HF_TRY(const auto catalog, Catalog::open(default_places().state));
    return catalog->ran(most);
}

}  // namespace holdfast
