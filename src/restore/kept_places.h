// What a restore leaves alone wherever it meets it: the repository that it reads, the cache, the key.
#pragma once

#include "base/file_identity.h"

namespace holdfast {

// A set of files and directories, known by device and inode, and of the directories and links that
// lead to them. Thread-safe when nothing is added any more.
class KeptPlaces {
  public:
    // What is not there is not kept.
    void add(const std::string& path);

    enum class Standing {
        free,
        kept,
        above,  // it leads to something that is kept
    };
    Standing standing(const FileIdentity& file) const;

  private:
    void add_above(const std::string& absolute);

    FileIdentities kept_, above_;
};

}  // namespace holdfast
