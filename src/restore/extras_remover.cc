#include "restore/extras_remover.h"

#include "base/string_sorter.h"
#include "repository/tree_reader.h"

namespace holdfast {
namespace {

constexpr std::size_t max_reported_paths = 1000;

// All names of a directory: one that changes while it is listed may tell some of them not.
Result<StringSorter> sorted_names(TargetDirectory& directory) {
    StringSorter names;
    HF_TRY_STATUS(
        directory.for_each_name([&names](const std::string& name) { return names.add(name); }));
    HF_TRY_STATUS(names.finish());
    return names;
}

}  // namespace

Status ExtrasRemover::remove(const std::shared_ptr<TargetDirectory>& directory,
                             const std::string& name) {
    switch (directory->standing_of(name)) {
        case KeptPlaces::Standing::kept: return {};
        case KeptPlaces::Standing::above: return remove_around_kept(directory, name);
        case KeptPlaces::Standing::free: break;
    }
    const Status removed = mode_ == Mode::count ? ok_status() : directory->remove_tree(name);
    if (!removed.ok()) {
        problem_(removed.error());
        return {};
    }
    ++removed_;
    if (removed_paths_.size() < max_reported_paths)
        removed_paths_.push_back(directory->path() + '/' + name);
    return {};
}

// What has the name leads to something that is kept: all else in it goes.
Status ExtrasRemover::remove_around_kept(const std::shared_ptr<TargetDirectory>& directory,
                                         const std::string& name) {
    const auto child = TargetDirectory::open_child(directory, name);
    if (!child.ok()) {
        // A link on the way to what is kept.
        if (child.error().code() != ErrorCode::conflict) problem_(child.error());
        return {};
    }
    HF_TRY(StringSorter names, sorted_names(**child));
    std::string inner;
    for (;;) {
        HF_TRY(const bool is_name, names.next(inner));
        if (!is_name) return {};
        HF_TRY_STATUS(remove(*child, inner));
    }
}

Status ExtrasRemover::run(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry) {
    // Both lists are sorted: what is in the first alone goes.
    HF_TRY(StringSorter names, sorted_names(*directory));
    std::string name;
    HF_TRY(bool has_name, names.next(name));
    const auto next = [&]() -> Status {
        HF_TRY(has_name, names.next(name));
        return {};
    };
    const auto remove_and_next = [&]() -> Status {
        HF_TRY_STATUS(remove(directory, name));
        return next();
    };
    const auto keep = [&](const Entry& child) -> Status {
        while (has_name && name < child.name) HF_TRY_STATUS(remove_and_next());
        return has_name && name == child.name ? next() : ok_status();
    };
    HF_TRY_STATUS(for_each_entry(chunks_, entry, keep));
    while (has_name) HF_TRY_STATUS(remove_and_next());
    return {};
}

}  // namespace holdfast
