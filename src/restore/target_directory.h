// A directory below a restore's target, held open. Everything is done relative to it, one component
// at a time and without following a link, so that nothing can lead outside the target, whatever the
// data says and whoever changes the target meanwhile.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "format/entry.h"
#include "restore/kept_places.h"

namespace holdfast {

class TargetDirectory {
  public:
    // The target itself; made (with its parents) when it is missing. `kept` is left alone in it and
    // outlives it.
    static Result<std::shared_ptr<TargetDirectory>> open_root(const std::string& path,
                                                              const KeptPlaces& kept);

    // A directory in this one. Errors: not_found, conflict when the name is something else, refused
    // when it is kept.
    static Result<std::shared_ptr<TargetDirectory>> open_child(
        const std::shared_ptr<TargetDirectory>& parent, const std::string& name);
    // The same, made when it is missing. With `replace`, what else has the name is removed.
    enum class InTheWay { keep, replace };
    static Result<std::shared_ptr<TargetDirectory>> make_child(
        const std::shared_ptr<TargetDirectory>& parent, const std::string& name, InTheWay mode);

    TargetDirectory(const TargetDirectory&) = delete;
    TargetDirectory& operator=(const TargetDirectory&) = delete;
    ~TargetDirectory();

    int fd() const { return fd_.get(); }
    // Called by whoever lets go of it last, before that lets go of the directory above it: so all that is below it has been
    // released. Set by one thread, at most once.
    void when_released(std::function<void(const TargetDirectory&)> finish) { finish_ = std::move(finish); }
    // Whether another file system, or another place of one, is mounted here.
    bool is_mount_point() const;
    // Whether what is made in it gets an ACL of the directory's. Asked of the kernel once: a restore gives directories their own
    // ACLs when all in them is there.
    bool gives_acl() const;
    // For messages.
    std::string path() const;
    // Of what has the name; free when nothing has.
    KeptPlaces::Standing standing_of(const std::string& name) const;
    // Removes a name and, for a directory, all below it. Errors: refused where something is kept.
    Status remove_tree(const std::string& name);
    // In no order. What `visit` does must not change the directory.
    Status for_each_name(const std::function<Status(const std::string&)>& visit);

  private:
    TargetDirectory(UniqueFd fd,
                    std::shared_ptr<TargetDirectory> parent,
                    std::string name,
                    const KeptPlaces& kept)
        : fd_(std::move(fd)), parent_(std::move(parent)), name_(std::move(name)), kept_(kept) {}

    UniqueFd fd_;
    std::shared_ptr<TargetDirectory> parent_;
    const std::string name_;
    const KeptPlaces& kept_;
    std::function<void(const TargetDirectory&)> finish_;
    enum class Acl : std::uint8_t { unknown, given, none };
    mutable std::atomic<Acl> acl_{Acl::unknown};
};

// What a restore says of the places that it leaves alone.
Error left_alone(const std::string& path);

// Owner, mode, xattrs, times and attributes of what is open as `fd` (a file or directory) and is
// `now`, in the order in which none undoes another. Without privilege the owner stays who restores.
// Whether it may have xattrs that `metadata` has not, which are removed then.
// Errors name what could not be set, not the path.
enum class OtherXattrs : std::uint8_t { none, possible };
Status apply_metadata(int fd, const struct stat& now, const Metadata& metadata, OtherXattrs other = OtherXattrs::possible);
// The same for a directory as it is now. Errors name it.
Status apply_metadata_now(const TargetDirectory& directory, const Metadata& metadata);
// The same for what cannot be opened: links, devices, FIFOs, sockets.
Status apply_metadata_at(const TargetDirectory& directory,
                         const std::string& name,
                         const Metadata& metadata);

}  // namespace holdfast
