// Source `files`: a tree of a Linux file system.
#pragma once

#include <optional>

#include "base/file_identity.h"
#include "source/files/exclude.h"
#include "source/source.h"

namespace holdfast {

struct FilesOptions {
    ExcludeRules rules = ExcludeRules();
    bool one_file_system = false;
    bool exclude_caches = false;         // directories with a valid CACHEDIR.TAG
    bool exclude_nodump = false;         // entries with the nodump attribute
    std::vector<std::string> exclude_if_present;  // directories that hold such a name
    FileIdentities never_enter;  // directories: the repository itself, the cache
    // Only these paths below the root (as from --files-from0), and what is below them.
    std::optional<std::vector<std::string>> only;
};

class FilesSource final : public Source {
  public:
    // `root` is an absolute path of a directory or a file. Errors: not_found, permission_denied.
    static Result<std::unique_ptr<FilesSource>> open_root(const std::string& root,
                                                          FilesOptions options);

    Result<std::unique_ptr<SourceStream>> walk() override;
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override;
    Status complete(const SourceEvent& event, Metadata& metadata) override;

  private:
    FilesSource(std::string root, FilesOptions options)
        : root_(std::move(root)), options_(std::move(options)) {}

    const std::string root_;
    const FilesOptions options_;
};

}  // namespace holdfast
