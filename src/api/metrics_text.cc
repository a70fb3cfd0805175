#include <functional>

#include "api/status_operation.h"
#include "api/version.h"

namespace holdfast {
namespace {

std::string quoted(std::string_view value) {
    std::string text = "\"";
    for (const char c : value) {
        if (c == '\\' || c == '"') text += '\\';
        if (c == '\n') text += "\\n";
        else text += c;
    }
    return text + '"';
}

std::string seconds_of(TimeNs time) { return std::to_string(time / ns_per_second); }

// One metric after the other: all samples of one stand together, as the format wants it.
class MetricsText {
  public:
    explicit MetricsText(const StatusResponse& response) : response_(response) {}

    std::string write() {
        metric("holdfast_build_info", "The version that wrote this.");
        sample("{version=" + quoted(version_text()) + '}', "1");
        metric("holdfast_status_timestamp_seconds", "When this was found out.");
        sample("", seconds_of(response_.now));
        sources();
        repositories();
        return std::move(text_);
    }

  private:
    void metric(const char* name, const char* help) {
        name_ = name;
        text_ += "# HELP " + name_ + ' ' + help + "\n# TYPE " + name_ + " gauge\n";
    }
    void sample(const std::string& labels, const std::string& value) { text_ += name_ + labels + ' ' + value + '\n'; }

    using OfSource = std::function<std::string(const SourceStatus&)>;
    // Without a value there is no sample.
    void of_each_source(const char* name, const char* help, const OfSource& value) {
        metric(name, help);
        for (const SourceStatus& one : response_.sources)
            if (const std::string text = value(one); !text.empty()) sample(labels_of(one), text);
    }
    static std::string labels_of(const SourceStatus& one, const std::string& more = "") {
        return "{source=" + quoted(one.protection.name) + ",policy=" + quoted(one.policy) + more + '}';
    }
    static OfSource found(const char* objective) {
        return [objective](const SourceStatus& one) { const auto& found = one.protection.objective(objective)->found;
            return found ? std::to_string(*found) : std::string(); };
    }

    void sources() {
        of_each_source("holdfast_source_last_success_timestamp_seconds", "Time of the newest good restore point.",
                       [](const SourceStatus& one) { return one.protection.point.empty() ? "" : seconds_of(one.protection.time); });
        of_each_source("holdfast_source_rpo_seconds", "Age of the newest good restore point.", [&](const SourceStatus& one) {
            return one.protection.point.empty() ? "+Inf" : seconds_of(response_.now - one.protection.time);
        });
        of_each_source("holdfast_source_rpo_target_seconds", "How old it may become.", [](const SourceStatus& one) {
            const TimeNs wanted = one.protection.objective("rpo")->wanted;
            return wanted == 0 ? "" : seconds_of(wanted);
        });
        of_each_source("holdfast_source_copies", "Copies that count.", found("copies"));
        of_each_source("holdfast_source_media_types", "Kinds of media that they are on.", found("media"));
        of_each_source("holdfast_source_copies_offsite", "Copies at another site than the source.", found("off_site"));
        of_each_source("holdfast_source_copies_immutable", "Copies that are locked.", found("immutable"));
        of_each_source("holdfast_source_errors", "Errors that the last checks have found.", found("errors"));
        verdicts("holdfast_source_status", "Whether all objectives hold.", [](const SourceStatus& one) { return one.protection.verdict; });
        verdicts("holdfast_rule321", "Whether there are 3 copies on 2 media, 1 off site.", [](const SourceStatus& one) { return one.protection.rule_321; });
        verdicts("holdfast_rule32110", "The same, and 1 copy is immutable, with 0 errors.", [](const SourceStatus& one) { return one.protection.rule_32110; });
        metric("holdfast_source_objective", "Whether an objective that is asked for holds.");
        for (const SourceStatus& one : response_.sources)
            for (const ObjectiveStatus& objective : one.protection.objectives)
                if (objective.is_wanted) verdict_samples(one, ",objective=" + quoted(objective.name), objective.verdict);
    }

    void verdicts(const char* name, const char* help, const std::function<Verdict(const SourceStatus&)>& verdict) {
        metric(name, help);
        for (const SourceStatus& one : response_.sources) verdict_samples(one, "", verdict(one));
    }
    // One of the three is 1: an alert is "verdict other than held".
    void verdict_samples(const SourceStatus& one, const std::string& labels, Verdict verdict) {
        for (const Verdict each : {Verdict::held, Verdict::broken, Verdict::unknown})
            sample(labels_of(one, labels + ",verdict=" + quoted(verdict_name(each))), each == verdict ? "1" : "0");
    }

    void of_each_repository(const char* name, const char* help, const std::function<std::string(const RepositoryFacts&)>& value) {
        metric(name, help);
        for (const auto& [repository, facts] : response_.repositories)
            if (const std::string text = value(facts); !text.empty()) sample("{repository=" + quoted(repository) + '}', text);
    }

    void repositories() {
        of_each_repository("holdfast_repository_up", "Whether it could be asked.",
                           [](const RepositoryFacts& facts) { return facts.is_known() ? "1" : "0"; });
        of_each_repository("holdfast_repository_restore_points", "Its restore points.",
                           [](const RepositoryFacts& facts) { return facts.measured ? std::to_string(facts.points.size()) : ""; });
        of_each_repository("holdfast_repository_oldest_unverified_seconds", "How long ago the data was read that was read first; none: some was never read.",
                           [&](const RepositoryFacts& facts) {
                               const auto since = facts.check.all_read_since();
                               return since ? seconds_of(response_.now - *since) : std::string();
                           });
        of_each_repository("holdfast_repository_never_read_bytes", "Stored data that no check has ever read.",
                           [](const RepositoryFacts& facts) { return facts.check.read_data ? std::to_string(facts.check.never_read_bytes) : ""; });
        of_each_repository("holdfast_repository_errors", "Errors that the last checks have found.",
                           [](const RepositoryFacts& facts) { return facts.check.checked ? std::to_string(facts.check.problems + facts.check.unprotected) : ""; });
        of_each_repository("holdfast_repository_recovery_key_confirmed", "Whether somebody has shown that he has the recovery key.",
                           [](const RepositoryFacts& facts) {
                               return !facts.measured ? "" : facts.recovery_key == RecoveryKey::confirmed ? "1" : "0";
                           });
    }

    const StatusResponse& response_;
    std::string text_, name_;
};

}  // namespace

std::string metrics_text(const StatusResponse& response) { return MetricsText(response).write(); }

}  // namespace holdfast
