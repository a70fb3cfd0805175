// What a restore makes when the contents of all files are there.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/disk_map.h"
#include "base/progress.h"
#include "repository/chunk_reader.h"
#include "restore/restore.h"
#include "restore/target_directory.h"

namespace holdfast {

// Further names of files, links and special files, and the metadata of the directories above them: of all others a directory
// has its metadata when everything in it is there. Paths are below the target. For one thread. Memory: as DiskMap, for names of
// files that have several, and for directories that it has to enter: it reads no others.
class LastPass {
  public:
    // What it asks and tells who restores.
    struct Restorer {
        std::function<Status()> check;  // its error ends the pass
        std::function<void(const Error&)> problem;
        std::function<bool(const std::string& path)> has_failed;  // with the target's path before it
    };
    // All of them outlive it.
    LastPass(ChunkReader& chunks, Overwrite overwrite, Progress& progress, Restorer restorer)
        : chunks_(chunks), overwrite_(overwrite), progress_(progress), restorer_(std::move(restorer)) {}

    // Of a file with several names: whether this is the first one that is told. The others are left to the pass.
    Result<bool> is_first_name(const Metadata& metadata, const std::string& path);
    void forget_names() { names_.clear(); }
    // Something is left to be made in this directory, or below it.
    Status add_directory(const std::string& path);
    // `entry` is the root of what is restored: a directory, which is `target`, or what is to be made in it.
    Status run(const std::shared_ptr<TargetDirectory>& target, const Entry& entry);

    std::uint64_t files() const { return files_; }
    std::uint64_t others() const { return others_; }

  private:
    Status directory(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);
    Status child(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);
    Status child_directory(const std::shared_ptr<TargetDirectory>& above, const Entry& entry);
    Status make_special(TargetDirectory& directory, const Entry& entry);
    Status make_link(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);
    Status link_to(const std::string& first, const std::shared_ptr<TargetDirectory>& directory, const std::string& name);

    ChunkReader& chunks_;
    const Overwrite overwrite_;
    Progress& progress_;
    const Restorer restorer_;
    std::shared_ptr<TargetDirectory> root_;
    std::string path_;   // of the directory that it is in, with a trailing slash; or empty
    DiskMap names_;      // where the first name of a file is
    DiskMap directories_;
    std::uint64_t files_ = 0, others_ = 0;
};

// The key of a map by paths: what the pass enters, and what a restore could not make.
DiskMap::Key path_key(const std::string& path);

}  // namespace holdfast
