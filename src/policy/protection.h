// How well a source is protected now: objectives against what was found in repositories. docs/explanation/3-2-1.md.
#pragma once

#include <string>
#include <vector>

#include "catalog/facts.h"

namespace holdfast {

// What is wanted. 0: not asked for.
struct Objectives {
    TimeNs rpo = TimeNs{7} * 24 * 3600 * ns_per_second;  // how old the newest restore point may be
    TimeNs copies_within = 0;  // how old it may be in a repository that counts as a copy; 0: as the RPO
    unsigned copies = 3, media = 2, off_site = 1, immutable = 0;
    TimeNs verified_within = 0;  // all data of a copy was read by a check since then
    bool counts_source = false;  // the source's own data is one of the copies
};

// A repository where copies of a source may be.
struct CopyPlace {
    std::string repository;  // its name
    std::string site, medium;
    // What is lost together: two repositories with a common one are one place ("disk 8:0", "bucket HOST/NAME").
    std::vector<std::string> devices;
    bool is_on_source_device = false;
    bool is_replica = false;  // its bucket follows another one, into every error
};

struct ProtectedSource {
    std::string name;
    std::string host, identity_name;
    std::string site;  // empty: not named
    Objectives objectives;
    std::vector<CopyPlace> places;
};

enum class Verdict : std::uint8_t { held, broken, unknown };
std::string_view verdict_name(Verdict verdict);
// Broken before unknown before held.
Verdict worse(Verdict a, Verdict b);

struct CopyStatus {
    CopyPlace place;
    bool is_known = false;  // its repository could be asked
    std::string error;      // why not
    std::optional<TimeNs> measured;
    std::string point;      // the newest good one; empty: there is none
    TimeNs time = 0;        // of it
    std::uint64_t points = 0;
    std::optional<TimeNs> locked_until;  // of the newest good point; only when that is yet to come
    bool is_governance = false;          // the lock may be lifted by who has a special permission: not immutable
    std::uint64_t lost_containers = 0;   // of its repository
    CheckFacts check;
    // All data was read by a check since then; nothing: some was never read.
    std::optional<TimeNs> verified;
    bool counts = false;
    bool may_count = false;  // nobody can tell, for it cannot be asked
    std::string why_not;     // why it does not count as a copy
};

struct ObjectiveStatus {
    std::string name;  // rpo, copies, media, off_site, immutable, errors, verified, recovery_key
    bool is_wanted = true;
    Verdict verdict = Verdict::unknown;
    std::int64_t wanted = 0;             // a count; nanoseconds for rpo and verified
    std::optional<std::int64_t> found;   // nothing: there is none, or nobody knows
    std::string reason;                  // of a verdict that is not held; empty: the figures say it
};

struct SourceProtection {
    std::string name, host, identity_name;
    std::string point;  // the newest good restore point anywhere; empty: none is known
    TimeNs time = 0;
    std::uint64_t skipped = 0;  // what could not be read of it
    std::vector<CopyStatus> copies;
    std::vector<ObjectiveStatus> objectives;
    Verdict rule_321 = Verdict::unknown;    // 3 copies, 2 media, 1 off site
    Verdict rule_32110 = Verdict::unknown;  // and 1 immutable, 0 errors
    Verdict verdict = Verdict::unknown;     // of what is wanted

    const ObjectiveStatus* objective(std::string_view objective_name) const;
};

// `facts`: of the places' repositories, by name; one that is missing is unknown. Pure.
SourceProtection protection_of(const ProtectedSource& source,
                               const std::map<std::string, RepositoryFacts>& facts,
                               TimeNs now);

}  // namespace holdfast
